package ringline

import (
	"slices"

	pb "github.com/ringline/ringline/clients/go/ringline/v1"
)

// picture is the calls to show, from what a watch tells. Once it was complete it stays so: while calls are told anew
// the old ones stand, so that nothing flickers.
type picture struct {
	shown    []*Call // newest first; a list that was handed out is never changed
	coming   []*Call // what is told anew and is not complete yet
	complete bool
	anew     bool
}

// apply takes an event, and returns the calls and true if there is something new to show.
func (p *picture) apply(event Event) ([]*Call, bool) {
	switch event := event.(type) {
	case *Reset:
		p.coming, p.anew = nil, true
	case *Change:
		if !p.complete || p.anew {
			p.coming = changed(p.coming, event, false)
			return nil, false
		}
		before := p.shown
		p.shown = changed(p.shown, event, true)
		return p.shown, !slices.Equal(before, p.shown)
	case *SnapshotComplete:
		if p.complete && !p.anew {
			return nil, false
		}
		p.shown, p.coming = p.coming, nil
		p.complete, p.anew = true, false
		return p.shown, true
	}
	return nil, false
}

// changed returns the calls after a change. Of a live list the newest comes first; a snapshot is told in that order.
func changed(calls []*Call, change *Change, live bool) []*Call {
	at := slices.IndexFunc(calls, func(shown *Call) bool { return shown.CID() == change.Call.CID() })
	switch calls = slices.Clone(calls); {
	case change.Kind == Removed && at < 0:
		return calls
	case change.Kind == Removed:
		return slices.Delete(calls, at, at+1)
	case at >= 0:
		calls[at] = change.Call
		return calls
	case live:
		return slices.Insert(calls, 0, change.Call)
	default:
		return append(calls, change.Call)
	}
}

// revisions are the newest ones seen, by uid. They are bounded: of a server's service-wide watch there may be any
// number, and what was not seen for a long time does not come late.
type revisions struct{ young, old map[string]int32 }

const maxRevisions = 5000

// isNews says whether a call is not older than what was seen of it.
func (r *revisions) isNews(call *pb.Call) bool {
	uid := call.GetUid()
	if call.GetRevision() < max(r.young[uid], r.old[uid]) {
		return false
	}
	if len(r.young) >= maxRevisions {
		r.old, r.young = r.young, nil
	}
	if r.young == nil {
		r.young = map[string]int32{}
	}
	r.young[uid] = call.GetRevision()
	return true
}
