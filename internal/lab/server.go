package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/lab/api"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
)

// handler serves every verb of package api.
func (d *Daemon) handler() http.Handler {
	mux := http.NewServeMux()
	serve(mux, "hello", d.hello)
	serve(mux, "add-model", d.addModelVerb)
	serve(mux, "deploy", d.deploy)
	serve(mux, "refresh", d.refresh)
	serve(mux, "integrate", d.integrate)
	serve(mux, "remove-relation", d.removeRelation)
	serve(mux, "scale", d.scale)
	serve(mux, "remove-application", d.removeApplication)
	serve(mux, "config", d.config)
	serve(mux, "set-config", d.setConfig)
	serve(mux, "run", d.run)
	serve(mux, "task", d.task)
	serve(mux, "cancel-task", d.cancelTask)
	serve(mux, "resolved", d.resolved)
	serve(mux, "status", d.status)
	serve(mux, "show-unit", d.showUnit)
	serve(mux, "pods", d.pods)
	serve(mux, "delete-pod", d.deletePod)
	serve(mux, "kill-container", d.killContainer)
	serve(mux, "remove-everything", d.removeEverything)
	serve(mux, "advance", d.advance)
	serve(mux, "wait", d.wait)
	mux.HandleFunc("POST "+api.Path("debug-log"), d.debugLog)
	mux.HandleFunc("POST "+api.Path("ssh"), d.ssh)
	return mux
}

// serve gives a verb its function.
func serve[Q, A any](mux *http.ServeMux, verb string, do func(context.Context, Q) (A, error)) {
	mux.HandleFunc("POST "+api.Path(verb), func(w http.ResponseWriter, r *http.Request) {
		var request Q
		if err := decode(r, &request); err != nil {
			refuse(w, fmt.Errorf("cannot read the request: %w", err))
			return
		}
		answer, err := do(r.Context(), request)
		if err != nil && r.Context().Err() != nil {
			// The daemon is ending: a caller that is hung up on knows what to do.
			panic(http.ErrAbortHandler)
		}
		if err != nil {
			refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		// The only fault here is a caller that hung up.
		_ = json.NewEncoder(w).Encode(answer)
	})
}

// decode reads a request; whole numbers stay whole.
func decode(r *http.Request, request any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 16<<20))
	decoder.UseNumber()
	return decoder.Decode(request)
}

func refuse(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(api.Error{Message: err.Error()})
}

func (d *Daemon) hello(context.Context, api.None) (api.Hello, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return api.Hello{Version: JujuVersion, Daemon: os.Getpid(), Model: d.record.Name}, nil
}

func (d *Daemon) addModelVerb(_ context.Context, q api.AddModel) (api.None, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.addModel(q.Name); err != nil {
		return api.None{}, err
	}
	d.touch()
	return api.None{}, d.record.save(d.home)
}

func (d *Daemon) integrate(_ context.Context, q api.Relate) (api.None, error) {
	return api.None{}, d.update(func(m *model.Model) error {
		_, err := m.Integrate(q.A, q.B)
		return err
	})
}

func (d *Daemon) removeRelation(_ context.Context, q api.Relate) (api.None, error) {
	return api.None{}, d.update(func(m *model.Model) error { return m.RemoveRelation(q.A, q.B) })
}

func (d *Daemon) scale(_ context.Context, q api.Scale) (api.Scaled, error) {
	var done api.Scaled
	err := d.update(func(m *model.Model) error {
		var err error
		if q.Remove > 0 {
			err = m.RemoveUnits(q.App, q.Remove)
		} else {
			err = m.Scale(q.App, q.Units)
		}
		done.Units = m.Status().Applications[q.App].Scale
		return err
	})
	return done, err
}

func (d *Daemon) removeApplication(_ context.Context, q api.Remove) (api.Removed, error) {
	var done api.Removed
	err := d.update(func(m *model.Model) error {
		done.Units = append([]string{}, m.UnitsOf(q.App)...)
		return m.RemoveApplication(q.App, q.Force)
	})
	return done, err
}

// removeEverything removes all applications, for destroy-model to wait for
// their end.
func (d *Daemon) removeEverything(context.Context, api.None) (api.None, error) {
	err := d.update(func(m *model.Model) error {
		var errs []error
		for _, app := range m.Applications() {
			errs = append(errs, m.RemoveApplication(app, false))
		}
		return errors.Join(errs...)
	})
	if errors.Is(err, errNoModel) {
		return api.None{}, nil
	}
	return api.None{}, err
}

func (d *Daemon) config(_ context.Context, q api.Application) (api.Config, error) {
	config := api.Config{Application: q.App, Settings: map[string]api.Setting{}}
	err := d.observe(func(m *model.Model) error {
		options, trust, err := m.Config(q.App)
		if err != nil {
			return err
		}
		for name, o := range options {
			config.Settings[name] = api.Setting{Default: o.Default, Description: o.Description, Source: o.Source, Type: o.Type, Value: o.Value}
		}
		trusted := api.Setting{
			Default: false, Description: "Does this application have access to trusted credentials",
			Source: "default", Type: "bool", Value: trust,
		}
		if trust {
			trusted.Source = "user"
		}
		config.ApplicationConfig = map[string]api.Setting{"trust": trusted}
		if charm := m.CharmOf(q.App); charm != nil {
			config.Charm = charm.Name
		}
		return nil
	})
	return config, err
}

func (d *Daemon) setConfig(_ context.Context, q api.SetConfig) (api.None, error) {
	return api.None{}, d.update(func(m *model.Model) error { return m.SetConfig(q.App, q.Set, q.Reset) })
}

func (d *Daemon) resolved(_ context.Context, q api.Resolved) (api.None, error) {
	return api.None{}, d.update(func(m *model.Model) error {
		units := q.Units
		if q.All {
			units = nil
			for _, unit := range m.Units() {
				if m.AgentStatus(unit).Name == "error" || m.WorkloadStatus(unit).Name == "error" {
					units = append(units, unit)
				}
			}
		}
		var errs []error
		for _, unit := range units {
			errs = append(errs, m.Resolved(unit, q.Retry))
		}
		return errors.Join(errs...)
	})
}

// wait answers when the count of changes is another than the caller knows.
func (d *Daemon) wait(ctx context.Context, q api.Wait) (api.Changed, error) {
	timer := time.NewTimer(time.Duration(q.Seconds) * time.Second)
	defer timer.Stop()
	for {
		d.mu.Lock()
		count, changed := d.count, d.changed
		d.mu.Unlock()
		if count != q.After || q.Seconds == 0 {
			return api.Changed{Count: count}, nil
		}
		select {
		case <-ctx.Done():
			return api.Changed{}, ctx.Err()
		case <-timer.C:
			return api.Changed{Count: count}, nil
		case <-changed:
		}
	}
}

func (d *Daemon) pods(context.Context, api.None) (api.Pods, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	answer := api.Pods{Daemon: os.Getpid(), Pods: []api.Pod{}}
	if d.record.Model == nil {
		return answer, nil
	}
	for _, unit := range d.record.Model.Units() {
		driver, record := d.drivers[unit], d.record.State.Pods[unit]
		if driver == nil || driver.pod == nil || record == nil {
			continue
		}
		spec, err := d.podSpec(d.record.Model, unit, record)
		if err != nil {
			continue
		}
		answer.Pods = append(answer.Pods, api.Pod{
			Unit: unit, Address: driver.address, Name: spec.Name, Dir: spec.Dir,
			PID: driver.pod.PID(), Containers: driver.pod.PebblePIDs(),
		})
	}
	return answer, nil
}

func (d *Daemon) deletePod(_ context.Context, q api.Unit) (api.None, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	driver := d.drivers[q.Unit]
	if driver == nil || driver.pod == nil {
		return api.None{}, fmt.Errorf("unit %q has no pod now", q.Unit)
	}
	driver.replace(q.Force)
	return api.None{}, nil
}

func (d *Daemon) killContainer(ctx context.Context, q api.Container) (api.None, error) {
	pod, err := d.podOf(q.Unit)
	if err != nil {
		return api.None{}, err
	}
	return api.None{}, pod.KillContainer(ctx, q.Container)
}

func (d *Daemon) podOf(unit string) (Pod, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.record.Model == nil {
		return nil, errNoModel
	}
	unit, err := d.resolveUnit(d.record.Model, unit)
	if err != nil {
		return nil, err
	}
	if driver := d.drivers[unit]; driver != nil && driver.pod != nil {
		return driver.pod, nil
	}
	return nil, fmt.Errorf("unit %q has no pod now", unit)
}

func (d *Daemon) debugLog(w http.ResponseWriter, r *http.Request) {
	var request api.Log
	if err := decode(r, &request); err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	flush := func() {}
	if f, ok := w.(http.Flusher); ok {
		flush = f.Flush
	}
	_ = d.log.copyTo(r.Context(), w, request, flush)
}

// ssh runs a command in a container; its streams are frames on the
// connection.
func (d *Daemon) ssh(w http.ResponseWriter, r *http.Request) {
	var request api.Exec
	if err := decode(r, &request); err != nil {
		refuse(w, err)
		return
	}
	pod, err := d.podOf(request.Unit)
	if err != nil {
		refuse(w, err)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		refuse(w, err)
		return
	}
	defer conn.Close()
	if _, err := fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: frames\r\n\r\n"); err != nil {
		return
	}
	// A hijacked connection has left the server: its request's context does
	// not end with the caller, so reading the caller's frames does that.
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	stdin, feed, err := os.Pipe()
	if err != nil {
		return
	}
	defer stdin.Close()
	go func() {
		defer cancel()
		defer feed.Close()
		for {
			stream, content, err := api.ReadFrame(buffered)
			if err != nil || stream != api.Stdin {
				return
			}
			if len(content) == 0 {
				feed.Close()
			} else if _, err := feed.Write(content); err != nil {
				continue // the command reads no more
			}
		}
	}()
	frames := api.NewFrameWriter(conn)
	code, err := pod.Exec(ctx, Exec{
		Container: request.Container, Argv: request.Argv, Stdin: stdin,
		Stdout: frames.Stream(api.Stdout), Stderr: frames.Stream(api.Stderr),
	})
	if err != nil {
		_ = frames.Send(api.Fault, []byte(err.Error()))
		return
	}
	_ = frames.Send(api.Exit, strconv.AppendInt(nil, int64(code), 10))
}

// convert turns a value of the model into the same shape of package api.
func convert[A any](from any) (A, error) {
	var to A
	text, err := json.Marshal(from)
	if err == nil {
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		err = decoder.Decode(&to)
	}
	return to, err
}
