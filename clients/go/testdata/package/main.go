// An app that has nothing but the module: ./check builds and runs it in an empty folder.
package main

import (
	"context"
	"errors"
	"fmt"

	ringline "github.com/ringline/ringline/clients/go"
	ringlinev1 "github.com/ringline/ringline/clients/go/ringline/v1"
)

func main() {
	client, err := ringline.NewClient("127.0.0.1:1", ringline.WithUser("myself"))
	if err != nil {
		panic(err)
	}
	defer client.Close()
	call := client.Call("default", "test")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := call.Get(ctx); !errors.As(err, new(*ringline.Error)) {
		panic(fmt.Sprintf("an RPC that was cancelled ended with %v", err))
	}
	fmt.Printf("%s in a module of its own: %s\n", ringlinev1.CallService_ServiceDesc.ServiceName, call.CID())
}
