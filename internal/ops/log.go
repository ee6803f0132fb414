package ops

import (
	"context"
	"log/slog"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
)

// logHandler sends records to juju-log as "message key=value …". What the
// model's log level hides is still sent: Juju filters, and a hook logs little.
type logHandler struct {
	tools  *hooktool.Tools
	prefix string // attributes given by With
	group  string
}

func newLogHandler(tools *hooktool.Tools) *logHandler { return &logHandler{tools: tools} }

func (h *logHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *logHandler) Handle(ctx context.Context, record slog.Record) error {
	var text strings.Builder
	text.WriteString(record.Message)
	text.WriteString(h.prefix)
	record.Attrs(func(a slog.Attr) bool {
		writeAttr(&text, h.group, a)
		return true
	})
	// A log line must get out even if the hook's own deadline is over.
	return h.tools.JujuLog(context.WithoutCancel(ctx), level(record.Level), text.String())
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var text strings.Builder
	for _, a := range attrs {
		writeAttr(&text, h.group, a)
	}
	return &logHandler{tools: h.tools, prefix: h.prefix + text.String(), group: h.group}
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{tools: h.tools, prefix: h.prefix, group: h.group + name + "."}
}

func writeAttr(text *strings.Builder, group string, a slog.Attr) {
	value := a.Value.Resolve().String()
	if value == "" || strings.ContainsAny(value, " \"=") && !strings.Contains(value, "\n") {
		value = quote(value)
	}
	text.WriteString(" " + group + a.Key + "=" + value)
}

func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }

// level gives Juju's name of a slog level.
func level(l slog.Level) string {
	switch {
	case l < slog.LevelDebug:
		return "TRACE"
	case l < slog.LevelInfo:
		return "DEBUG"
	case l < slog.LevelWarn:
		return "INFO"
	case l < slog.LevelError:
		return "WARNING"
	}
	return "ERROR"
}
