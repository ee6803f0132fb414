package pod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// The pod's control socket: one request a connection. The first byte carries
// the files (standard streams) of a run, then a request and, when it is done,
// a response follow as JSON. A client that closes its connection before that
// gives the request up.

// operation is what a request asks for.
type operation string

const (
	opWatch      operation = "watch"      // never answers: the connection ends with the pod
	opContainers operation = "containers" // Containers
	opRun        operation = "run"        // Process, three files
	opRead       operation = "read"       // Path
	opKill       operation = "kill"       // Container
	opUp         operation = "up"         // answers when Container runs
	opTerminate  operation = "terminate"
	opDown       operation = "down" // answers when no workload container runs
)

type request struct {
	Op        operation
	Container string   `json:",omitempty"`
	Path      string   `json:",omitempty"`
	Process   *process `json:",omitempty"`
}

// process is a program to run in a container.
type process struct {
	Charm         bool     // the charm's dispatch; Argv is empty
	Argv          []string `json:",omitempty"`
	Env           []string `json:",omitempty"` // whole for the charm's container, else added
	WholeEnv      bool
	Dir           string
	JujucSocket   string
	Terminal      bool
	Rows, Columns int
}

type response struct {
	Error      string `json:",omitempty"`
	NotExist   bool   `json:",omitempty"` // the error is fs.ErrNotExist
	Outcome    Outcome
	Containers []ContainerStatus `json:",omitempty"`
	Content    []byte            `json:",omitempty"`
}

// errGone: the pod died before it answered.
var errGone = errors.New("the pod is gone")

// call sends a request to a pod and waits for the response.
func call(ctx context.Context, socket string, req request, files ...*os.File) (response, error) {
	var resp response
	conn, err := dial(socket)
	if err != nil {
		return resp, errGone
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := send(conn, req, files); err == nil {
		err = json.NewDecoder(conn).Decode(&resp)
		if err == nil {
			if resp.Error != "" {
				return resp, errors.New(resp.Error)
			}
			return resp, nil
		}
	}
	if err := ctx.Err(); err != nil {
		return resp, err
	}
	return resp, errGone
}

func send(conn *net.UnixConn, req request, files []*os.File) error {
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, file := range files {
			fds[i] = int(file.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	if _, _, err := conn.WriteMsgUnix([]byte{0}, rights, nil); err != nil {
		return err
	}
	return json.NewEncoder(conn).Encode(req)
}

// receive is the other side of send.
func receive(conn *net.UnixConn) (req request, files []*os.File, err error) {
	first, control := make([]byte, 1), make([]byte, unix.CmsgSpace(3*4))
	_, n, _, _, err := conn.ReadMsgUnix(first, control)
	if err != nil {
		return req, nil, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil {
		return req, nil, err
	}
	for _, message := range messages {
		fds, err := unix.ParseUnixRights(&message)
		if err != nil {
			return req, files, err
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "stream"))
		}
	}
	return req, files, json.NewDecoder(conn).Decode(&req)
}

func dial(socket string) (*net.UnixConn, error) {
	return net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
}

// checkSocket refuses paths that no socket address can hold.
func checkSocket(path string) error {
	const longest = 107 // sun_path with its end
	if len(path) > longest {
		return fmt.Errorf("%s is longer than the %d bytes of a socket's path: use a shorter state directory (CHARMLAB_HOME)", path, longest)
	}
	return nil
}

// peer is the process that listens on the other side, with a pidfd: the
// kernel tells its id as it is in this pid namespace.
func peer(conn *net.UnixConn) (int, *os.File, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, nil, err
	}
	var credentials *unix.Ucred
	var credentialsErr error
	if err := raw.Control(func(fd uintptr) {
		credentials, credentialsErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, nil, err
	}
	if credentialsErr != nil {
		return 0, nil, credentialsErr
	}
	pidfd, err := openProcess(int(credentials.Pid))
	return int(credentials.Pid), pidfd, err
}

func openProcess(pid int) (*os.File, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	return os.NewFile(uintptr(fd), "process"), nil
}

// signalProcess sends a signal; none is an error if the process has ended.
func signalProcess(pidfd *os.File, signal unix.Signal) error {
	err := unix.PidfdSendSignal(int(pidfd.Fd()), signal, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// awaitProcess returns when the process has ended, or ctx.
func awaitProcess(ctx context.Context, pidfd *os.File) error {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}, 20)
		if n > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}
