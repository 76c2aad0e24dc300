package ringline

import (
	"fmt"
	"testing"
	"time"

	pb "github.com/ringline/ringline/clients/go/ringline/v1"
)

func TestRevisionsAreBoundedAndRememberTheLatest(t *testing.T) {
	t.Parallel()
	var seen revisions
	for at := range 3 * maxRevisions {
		if !seen.isNews(&pb.Call{Uid: fmt.Sprint(at), Revision: 2}) {
			t.Fatalf("call %d is news", at)
		}
	}
	if kept := len(seen.young) + len(seen.old); kept > 2*maxRevisions {
		t.Errorf("%d are kept", kept)
	}
	if seen.isNews(&pb.Call{Uid: fmt.Sprint(3*maxRevisions - 1), Revision: 1}) {
		t.Error("an older revision is no news")
	}
}

func TestDelaysGrowAreSpreadAndAreNeverSoonerThanTheServerAsks(t *testing.T) {
	t.Parallel()
	var sum time.Duration
	for attempt := range 1000 {
		delay := reconnecting.delay(attempt, time.Second)
		if delay < time.Second || delay > time.Second+reconnecting.limit {
			t.Fatalf("attempt %d waits %v", attempt, delay)
		}
		sum += delay - time.Second
	}
	if mean := sum / 1000; mean < 4*time.Second || mean > 6*time.Second {
		t.Errorf("the mean is %v", mean)
	}
	if first := retrying.delay(0, 0); first > retrying.base {
		t.Errorf("the first waits %v", first)
	}
}

func TestIdentitiesThatASCIIMetadataCannotCarryAreSentAsBytes(t *testing.T) {
	t.Parallel()
	for value, key := range map[string]string{
		"my friend": "x-user-id", "älice": "x-user-id-bin", " edge": "x-user-id-bin", "edge ": "x-user-id-bin",
		"tab\t": "x-user-id-bin", "名": "x-user-id-bin",
	} {
		if got := identified("x-user-id", value); got[0] != key || got[1] != value {
			t.Errorf("%q is sent as %q", value, got)
		}
	}
}
