// Package pod is the process side of the local lab: what a Kubernetes node
// does for one Juju model, done with Linux namespaces of one machine.
//
// There are three kinds of process, each the same program started again under
// another first argument (see Reexec):
//
//   - the machine: PID 1 of new pid, network and mount namespaces, and of a
//     user namespace if the caller is not root. It makes the bridge, starts
//     the daemon and starts it again when it dies. When the machine dies, the
//     kernel ends everything below it.
//   - a pod: PID 1 of its own pid, network, mount, uts and ipc namespaces,
//     with one address on the bridge. It plays kubelet for its containers and
//     outlives the daemon, which finds it again through its control socket.
//   - a container: PID 1 of its own pid and mount namespaces inside the pod;
//     it builds the container's root and then becomes Pebble (the charm
//     container stays a process that only reaps).
//
// Start, Adopt and the methods of Pod are for a process inside the machine's
// namespaces: the daemon.
package pod
