package mysqltest_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/internal/leaktest"
)

// victimVariable makes the test binary a process that starts a server, prints its
// address, and waits to be killed.
const victimVariable = "MYSQLTEST_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(victimVariable) != "" {
		beVictim()
	}
	leaktest.Main(mysqltest.Main(m))
}

func beVictim() {
	server, err := mysqltest.Start(context.Background(), mysqltest.Config{Relaxed: true})
	if err != nil {
		fmt.Println("victim:", err)
		os.Exit(1)
	}
	fmt.Println(server.URL(""))
	select {}
}
