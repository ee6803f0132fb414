package broker

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// HTTPAdmin asks brokers over HTTP. The zero value is ready for use.
type HTTPAdmin struct{}

// Health asks the broker to send itself a message. That a broker is up says
// little: it may have no bookies to write to.
func (HTTPAdmin) Health(ctx context.Context, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/admin/v2/brokers/health", nil)
	if err != nil {
		return fmt.Errorf("cannot ask broker %s: %w", address, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("cannot ask broker: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if err != nil {
		return fmt.Errorf("cannot read the answer of broker %s: %w", address, err)
	}
	if response.StatusCode != http.StatusOK {
		text, _, _ := strings.Cut(strings.TrimSpace(string(answer)), "\n")
		return fmt.Errorf("broker %s is not healthy: %s: %.200s", address, response.Status, text)
	}
	return nil
}
