package ops

import (
	"context"
	"log/slog"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
)

// logHandler sends records to juju-log as "message key=value …".
type logHandler struct {
	tools  *hooktool.Tools
	lowest slog.Leveler
	prefix string // attributes given by With
	group  string
}

func newLogHandler(tools *hooktool.Tools, lowest slog.Leveler) *logHandler {
	if lowest == nil {
		lowest = levelTrace
	}
	return &logHandler{tools: tools, lowest: lowest}
}

func (h *logHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.lowest.Level() }

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
	return &logHandler{tools: h.tools, lowest: h.lowest, prefix: h.prefix + text.String(), group: h.group}
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{tools: h.tools, lowest: h.lowest, prefix: h.prefix, group: h.group + name + "."}
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
