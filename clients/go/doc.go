// Package ringline rings people, and is rung: the client of Ringline for Go.
//
//	client, err := ringline.NewClient("localhost:50051", ringline.WithUser("alice"), ringline.WithDevice("phone"))
//	call := client.Call("default", "standup")
//	_, err = call.GetOrCreate(ctx, ringline.Ring(), ringline.Members("alice", "bob"))
//
// The server owns every ring: its state, its deadline and its outcome. A [Call] shows what it was last told; nothing
// here is worked out, and no timer of the client's decides anything. [Client.WatchCalls] hands out the calls that ring,
// at once and at every change, for as long as the loop goes on: it survives lost connections and restarts of the server.
//
// Every verb that acts carries a request id, and is repeated under it while the server is unavailable, so that it
// happens once. Every answer names the ring that the [Call] shows, so that a late tap never answers or stops another
// one. What the server refuses is an [*Error].
//
// The contract's own messages are in the package [github.com/ringline/ringline/clients/go/ringline/v1].
package ringline
