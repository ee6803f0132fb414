package pod

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// rootSpec is what a container's first process builds and becomes. All paths
// of the host are absolute and free of symbolic links.
type rootSpec struct {
	Dir     string // for this container's filesystem; empty
	Image   string
	Address string
	FQDN    string
	Model   string
	Mounts  []Mount // in order
	Links   []link
	Argv    []string // becomes this program; empty: only reaps
	Env     []string
}

type link struct{ Target, Name string }

// hostRoot is where the host is seen while the root is being built.
const hostRoot = "/.host"

// hostDirs are what containers see of the host, read-only, if it has them.
var hostDirs = []string{"bin", "gnu", "lib", "lib32", "lib64", "libexec", "libx32", "nix", "opt", "sbin", "snap", "usr"}

// containerMain is PID 1 of a container.
func containerMain(status *os.File) error {
	// Capabilities are the thread's that will execute the program.
	runtime.LockOSThread()
	var spec rootSpec
	if err := readConfig(&spec); err != nil {
		return err
	}
	if err := spec.build(); err != nil {
		// The host's paths are what a reader knows.
		return errors.New(strings.ReplaceAll(err.Error(), hostRoot, ""))
	}
	if len(spec.Argv) > 0 {
		if err := dropCapabilities(); err != nil {
			return err
		}
		return fmt.Errorf("cannot run %s: %w", spec.Argv[0], unix.Exec(spec.Argv[0], spec.Argv, spec.Env))
	}
	status.Close()
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, unix.SIGTERM)
	go func() {
		<-terminate
		os.Exit(0)
	}()
	children := make(chan os.Signal, 1)
	signal.Notify(children, unix.SIGCHLD)
	for {
		for {
			pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
			if pid <= 0 && !errors.Is(err, unix.EINTR) {
				break
			}
		}
		<-children
	}
}

// build makes this process's mount namespace the container's. It works inside
// of the new root, with the host at hostRoot, so that a symbolic link of the
// image leads where it does in the container.
func (s rootSpec) build() error {
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("cannot make the mounts private: %w", err)
	}
	root := filepath.Join(s.Dir, "root")
	if err := os.MkdirAll(root+hostRoot, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(root, root, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("cannot bind the root: %w", err)
	}
	if err := unix.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", hostRoot[1:]); err != nil {
		return fmt.Errorf("cannot change the root to %s (is the host's root an initramfs?): %w", root, err)
	}
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	s.Dir = hostRoot + s.Dir
	steps := []func() error{s.skeleton, s.layers, s.files, s.devices, s.binds}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	if err := unix.Unmount(hostRoot, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("cannot leave the host's root: %w", err)
	}
	return os.Remove(hostRoot)
}

// skeleton makes what every root has, /proc and /sys.
func (s rootSpec) skeleton() error {
	unix.Umask(0)
	defer unix.Umask(0o022)
	for _, dir := range []struct {
		path string
		mode os.FileMode
	}{
		{"/dev", 0o755}, {"/home", 0o755}, {"/mnt", 0o755}, {"/proc", 0o555}, {"/root", 0o700}, {"/run", 0o755}, {"/run/lock", 0o1777},
		{"/srv", 0o755}, {"/sys", 0o555}, {"/tmp", 0o1777}, {"/var", 0o755}, {"/var/cache", 0o755}, {"/var/lib", 0o755},
		{"/var/log", 0o755}, {"/var/spool", 0o755}, {"/var/tmp", 0o1777},
	} {
		if err := unix.Mkdir(dir.path, uint32(dir.mode)); err != nil {
			return fmt.Errorf("cannot make %s: %w", dir.path, err)
		}
	}
	for _, l := range []link{{"/run", "/var/run"}, {"/run/lock", "/var/lock"}} {
		if err := os.Symlink(l.Target, l.Name); err != nil {
			return err
		}
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("cannot mount /proc: %w", err)
	}
	// The kernel's settings are the host's.
	for _, path := range []string{"/proc/sys", "/proc/sysrq-trigger"} {
		if _, err := os.Stat(path); err != nil {
			continue // not in this kernel
		}
		if err := bind(path, path, true); err != nil {
			return err
		}
	}
	return bind(hostRoot+"/sys", "/sys", true)
}

// layers shows the host's directories and lays the image over them.
func (s rootSpec) layers() error {
	host := map[string]bool{"etc": true}
	for _, name := range hostDirs {
		if _, err := os.Lstat(filepath.Join(hostRoot, name)); err == nil {
			host[name] = true
		}
	}
	image := map[string]fs.DirEntry{}
	if s.Image != "" {
		entries, err := os.ReadDir(hostRoot + s.Image)
		if err != nil {
			return fmt.Errorf("cannot read the image: %w", err)
		}
		for _, entry := range entries {
			switch entry.Name() {
			case "proc", "sys", "dev", "charm", "lost+found", hostRoot[1:]:
				continue
			}
			image[entry.Name()] = entry
		}
	}
	names := make([]string, 0, len(host)+len(image))
	for name := range host {
		names = append(names, name)
	}
	for name := range image {
		if !host[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if err := s.layer(name, host[name], image[name]); err != nil {
			return err
		}
	}
	return nil
}

// layer makes one top-level entry out of the host's and the image's.
func (s rootSpec) layer(name string, host bool, image fs.DirEntry) error {
	target, hostPath := "/"+name, filepath.Join(hostRoot, name)
	switch {
	case image != nil && image.IsDir():
		lower := []string{hostRoot + s.Image + target}
		if host {
			// bin may be a link to usr/bin; an absolute one leads out of
			// hostRoot, to the same directory in the root being built.
			if resolved, err := filepath.EvalSymlinks(hostPath); err == nil {
				lower = append(lower, resolved)
			}
		}
		return s.overlay(name, lower)
	case image != nil:
		if _, err := os.Lstat(target); err == nil {
			return nil // of the skeleton, such as a link /tmp
		}
		return copyTree(hostRoot+s.Image+target, target)
	case name == "etc":
		return s.overlay(name, []string{hostPath})
	}
	if to, err := os.Readlink(hostPath); err == nil {
		return os.Symlink(to, target)
	}
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	return bind(hostPath, target, true)
}

// overlay mounts lower directories, the upmost first, writable. What is
// written goes to the container's directory or, where that filesystem cannot
// carry an overlay (as inside Docker), into memory.
func (s rootSpec) overlay(name string, lower []string) error {
	target := "/" + name
	info, err := os.Stat(lower[0])
	if err != nil {
		return err
	}
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	memory := filepath.Join(s.Dir, "memory")
	var failed error
	for _, top := range []string{s.Dir, memory} {
		if top == memory {
			if err := os.MkdirAll(memory, 0o755); err != nil {
				return err
			}
			if err := unix.Mount("tmpfs", memory, "tmpfs", 0, "mode=755"); err != nil {
				return failed
			}
		}
		upper, work := filepath.Join(top, "upper", name), filepath.Join(top, "work", name)
		for _, dir := range []string{upper, work} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
		}
		if err := os.Chmod(upper, info.Mode().Perm()); err != nil {
			return err
		}
		escaped := make([]string, len(lower))
		for i, dir := range lower {
			escaped[i] = strings.NewReplacer(`\`, `\\`, ":", `\:`, ",", `\,`).Replace(dir)
		}
		comma := strings.NewReplacer(`\`, `\\`, ",", `\,`)
		options := "lowerdir=" + strings.Join(escaped, ":") + ",upperdir=" + comma.Replace(upper) + ",workdir=" + comma.Replace(work)
		if inUserNamespace() {
			options += ",userxattr"
		}
		err := unix.Mount("overlay", target, "overlay", 0, options)
		if err == nil {
			return nil
		}
		if failed == nil {
			failed = fmt.Errorf("cannot lay %s over %s: %w", lower[0], target, err)
			if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENODEV) {
				failed = fmt.Errorf("%w: overlays need Linux 5.11 for users other than root, and `modprobe overlay`", failed)
			}
		}
	}
	return failed
}

// files writes what a kubelet writes into /etc.
func (s rootSpec) files() error {
	nsswitch, _ := os.ReadFile("/etc/nsswitch.conf")
	lines := []string{"hosts: files dns"}
	for line := range strings.Lines(string(nsswitch)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "hosts:") {
			lines = append(lines, line)
		}
	}
	for name, content := range map[string]string{
		"hostname":      firstLabel(s.FQDN) + "\n",
		"hosts":         fmt.Sprintf("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n%s %s %s\n", s.Address, s.FQDN, firstLabel(s.FQDN)),
		"resolv.conf":   fmt.Sprintf("search %s.svc.cluster.local svc.cluster.local cluster.local\nnameserver %s\noptions ndots:5\n", s.Model, nameserver),
		"nsswitch.conf": strings.Join(lines, "\n") + "\n",
	} {
		path := "/etc/" + name
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// devices makes /dev as a container has it.
func (s rootSpec) devices() error {
	if err := unix.Mount("tmpfs", "/dev", "tmpfs", unix.MS_NOSUID|unix.MS_STRICTATIME, "mode=755"); err != nil {
		return fmt.Errorf("cannot mount /dev: %w", err)
	}
	for _, name := range []string{"full", "null", "random", "tty", "urandom", "zero"} {
		if err := bind(hostRoot+"/dev/"+name, "/dev/"+name, false); err != nil {
			return err
		}
	}
	for _, dir := range []string{"/dev/pts", "/dev/shm"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount("devpts", "/dev/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"); err != nil {
		return fmt.Errorf("cannot mount /dev/pts: %w", err)
	}
	if err := unix.Mount("shm", "/dev/shm", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=1777"); err != nil {
		return fmt.Errorf("cannot mount /dev/shm: %w", err)
	}
	for _, l := range []link{
		{"pts/ptmx", "/dev/ptmx"}, {"/proc/self/fd", "/dev/fd"},
		{"/proc/self/fd/0", "/dev/stdin"}, {"/proc/self/fd/1", "/dev/stdout"}, {"/proc/self/fd/2", "/dev/stderr"},
	} {
		if err := os.Symlink(l.Target, l.Name); err != nil {
			return err
		}
	}
	return nil
}

// binds makes the mounts and links of this container.
func (s rootSpec) binds() error {
	for _, m := range s.Mounts {
		if err := bind(hostRoot+m.Source, filepath.Clean(m.Target), m.ReadOnly); err != nil {
			return err
		}
	}
	for _, l := range s.Links {
		if err := os.MkdirAll(filepath.Dir(l.Name), 0o755); err != nil {
			return err
		}
		// They may be left from the container's former run, in a mount.
		if err := os.Symlink(l.Target, l.Name); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// bind shows a file or directory at target, with what is mounted below it.
func bind(source, target string, readOnly bool) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if _, err := os.Stat(target); errors.Is(err, fs.ErrNotExist) {
		dir := target
		if !info.IsDir() {
			dir = filepath.Dir(target)
		}
		err := os.MkdirAll(dir, 0o755)
		if err == nil && !info.IsDir() {
			err = os.WriteFile(target, nil, 0o644)
		}
		if err != nil {
			return fmt.Errorf("cannot make the mount point %s: %w", target, err)
		}
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("cannot mount %s at %s: %w", source, target, err)
	}
	if !readOnly {
		return nil
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, target, unix.AT_RECURSIVE, &attr); err != nil {
		if errors.Is(err, unix.ENOSYS) {
			return errors.New("cannot mount read-only: Linux 5.12 or later is needed")
		}
		return fmt.Errorf("cannot make %s read-only: %w", target, err)
	}
	return nil
}

// copyTree copies what can be read, with modes and symbolic links.
func copyTree(source, target string) error {
	top := strings.TrimSuffix(source, "/")
	return filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrPermission) {
			return nil
		}
		if err != nil {
			return err
		}
		to := target + strings.TrimPrefix(path, top)
		info, err := entry.Info()
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir():
			return os.MkdirAll(to, info.Mode().Perm()|0o700)
		case entry.Type() == fs.ModeSymlink:
			leads, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(leads, to)
		case entry.Type().IsRegular():
			data, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrPermission) {
				return nil
			}
			if err != nil {
				return err
			}
			return os.WriteFile(to, data, info.Mode().Perm())
		}
		return nil
	})
}

// containerCapabilities are those of a container on Kubernetes.
var containerCapabilities = []uintptr{
	unix.CAP_AUDIT_WRITE, unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_KILL, unix.CAP_MKNOD,
	unix.CAP_NET_BIND_SERVICE, unix.CAP_NET_RAW, unix.CAP_SETFCAP, unix.CAP_SETGID, unix.CAP_SETPCAP, unix.CAP_SETUID, unix.CAP_SYS_CHROOT,
}

// dropCapabilities takes from the programs that this thread will execute
// what a container must not do to its host.
func dropCapabilities() error {
	for capability := uintptr(0); capability <= unix.CAP_LAST_CAP; capability++ {
		if slices.Contains(containerCapabilities, capability) {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("cannot drop capabilities: %w", err)
		}
	}
	return nil
}
