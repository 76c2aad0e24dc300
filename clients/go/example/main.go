// Command example rings somebody, or waits to be rung and answers. With a server on localhost:50051, in two terminals:
//
//	go run ./example bob
//	go run ./example alice bob
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"os/signal"
	"slices"
	"time"

	ringline "github.com/ringline/ringline/clients/go"
)

func main() {
	if len(os.Args) < 2 {
		log.Fatal("usage: example USER [WHOM-TO-RING...]")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1], os.Args[2:]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, user string, others []string) error {
	address := os.Getenv("RINGLINE_ADDRESS")
	if address == "" {
		address = "localhost:50051"
	}
	client, err := ringline.NewClient(address, ringline.WithUser(user), ringline.WithDevice("example"))
	if err != nil {
		return err
	}
	defer client.Close()

	if len(others) > 0 {
		return ring(ctx, client, user, others)
	}
	return answer(ctx, client)
}

// ring rings the others, and hangs up a few seconds after one of them answered.
func ring(ctx context.Context, client *ringline.Client, user string, others []string) error {
	call := client.Call("default", rand.Text())
	members := append(slices.Clone(others), user)
	if _, err := call.GetOrCreate(ctx, ringline.Ring(), ringline.Members(members...)); err != nil {
		return err
	}
	for calls, err := range client.WatchCalls(ctx, ringline.CIDs(call.CID())) {
		if err != nil {
			return err
		}
		if len(calls) == 0 {
			return nil
		}
		switch call := calls[0]; call.CallingState() {
		case ringline.Ringing:
			left, _ := call.TimeLeft()
			fmt.Printf("ringing, for %v more\n", left.Round(time.Second))
		case ringline.Joined:
			fmt.Println("answered; hanging up in 3 s")
			time.Sleep(3 * time.Second)
			return call.Leave(ctx)
		default:
			fmt.Println("over:", ringline.Name(call.Message().GetEndReason()))
			return nil
		}
	}
	return nil
}

// answer answers the first call that rings.
func answer(ctx context.Context, client *ringline.Client) error {
	for calls, err := range client.WatchCalls(ctx, ringline.Directions(ringline.Incoming)) {
		if err != nil {
			return err
		}
		fmt.Println(len(calls), "calls ring")
		for _, call := range calls {
			if _, err := call.Join(ctx); err != nil {
				fmt.Println(call.RingerID(), "rang, but:", err)
				continue
			}
			fmt.Println("answered", call.RingerID())
			return nil
		}
	}
	return nil
}
