package ringline

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/stats"
)

func TestAChannelIsReplacedOnlyIfAllOfItIsSilent(t *testing.T) {
	t.Parallel()
	client, err := NewClient("localhost:1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	conn := client.conn
	first := conn.current
	before := time.Now().Add(-attemptTimeout)

	first.heard.Store(&before)
	first.HandleRPC(context.Background(), &stats.OutHeader{}) // is sent, not heard
	if first.silence() < attemptTimeout {
		t.Error("what is sent is no sign of life")
	}
	first.HandleRPC(context.Background(), &stats.InPayload{}) // another stream's
	conn.renew(first)
	if conn.current != first {
		t.Error("a channel on which something was heard should stay")
	}
	first.heard.Store(&before)
	conn.renew(first)
	second := conn.current
	if second == first {
		t.Error("a silent channel should be replaced")
	}
	conn.renew(first)
	if conn.current != second {
		t.Error("who lost the old one should not take the new one away")
	}
}
