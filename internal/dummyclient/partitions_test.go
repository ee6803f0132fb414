package dummyclient

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/relation"
)

func TestEnsurePartitions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		want  int
		reply []string // "<code> <body>" in order
		calls []string
		err   string
	}{
		{"one partition needs nothing", 1, nil, nil, ""},
		{"a new topic", 3, []string{"404 Topic not found", "204 "}, []string{"GET ", "PUT 3"}, ""},
		{"an older broker's new topic", 3, []string{`200 {"partitions":0}`, "204 "}, []string{"GET ", "PUT 3"}, ""},
		{"as wanted", 3, []string{`200 {"partitions":3}`}, []string{"GET "}, ""},
		{"more", 4, []string{`200 {"partitions":3}`, "204 "}, []string{"GET ", "POST 4"}, ""},
		{"fewer", 2, []string{`200 {"partitions":3}`}, []string{"GET "}, "it has 3, and partitions cannot be taken away"},
		{"another client was faster", 3, []string{"404 ", "409 exists", `200 {"partitions":3}`}, []string{"GET ", "PUT 3", "GET "}, ""},
		{"a topic without partitions", 3, []string{"404 ", "409 exists", `200 {"partitions":0}`}, []string{"GET ", "PUT 3", "GET "},
			"it exists without partitions; choose another topic"},
		{"a broker that cannot", 3, []string{"500 no bookies"}, []string{"GET "}, "URL answered 500: no bookies"},
		{"garbage", 3, []string{"200 <html>"}, []string{"GET "}, `URL answered "<html>"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var calls []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/admin/v2/persistent/public/default/dummy/partitions" {
					t.Errorf("unexpected path %s", r.URL)
				}
				body, _ := io.ReadAll(r.Body)
				calls = append(calls, r.Method+" "+string(body))
				var code int
				reply := test.reply[len(calls)-1]
				fmt.Sscan(reply, &code)
				w.WriteHeader(code)
				if code != http.StatusNoContent {
					io.WriteString(w, reply[4:])
				}
			}))
			defer server.Close()
			topic := relation.Topic{Tenant: "public", Namespace: "default", Name: "dummy"}
			err := ensurePartitions(t.Context(), []string{server.URL}, topic, test.want)
			want := ""
			if test.err != "" {
				want = fmt.Sprintf("cannot give topic %s %d partitions: %s", topic, test.want, strings.ReplaceAll(test.err, "URL", server.URL))
			}
			if got := errorText(err); got != want {
				t.Errorf("got error  %s\nwant error %s", got, want)
			}
			if diff := cmp.Diff(test.calls, calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
