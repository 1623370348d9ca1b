package console_test

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
	"paymentd/tools/e2e/browser"
)

// screenshots is the folder in which `make screenshots` puts its files. The test takes none if it is empty.
var screenshots = flag.String("screenshots", "", "folder for the screenshots of the docs")

// maxScreenshotBytes bounds a file in the repository.
const maxScreenshotBytes = 150_000

// trafficFor is for how long payments are made before the first screenshot, so that the charts have something to show.
const trafficFor = 40 * time.Second

// TestScreenshots takes the screenshots of the docs from a real run, in which the gateway is sick: some payments get
// no answer, and some wait for the gateway.
func TestScreenshots(t *testing.T) { //nolint:paralleltest // its run is measured by the clock
	if *screenshots == "" {
		t.Log("takes no screenshots; `make screenshots` does")
		return
	}
	require.NoError(t, os.MkdirAll(*screenshots, 0o755))
	p := serve(t, map[string]string{"PAYMENTD_RECONCILE": "20s"})
	makeTraffic(t, p)
	page := browser.Open(t, p.URL)
	save := func(name string) {
		content := shrink(t, page.Screenshot())
		require.Less(t, len(content), maxScreenshotBytes, name)
		require.NoError(t, os.WriteFile(filepath.Join(*screenshots, name+".png"), content, 0o644))
	}
	page.Size(1200, 960)
	page.Go(p.URL + "/console?live=off")
	save("console-now")
	page.Go(p.URL + "/console/waiting")
	save("console-waiting")
	page.Go(p.URL + "/console/payments/order-0017")
	save("console-payment")
	page.Dark(true)
	page.Size(390, 844)
	page.Go(p.URL + "/console?live=off")
	save("console-phone")
}

// maxColors is the size of a palette in a PNG file.
const maxColors = 256

// shrink returns an image with its most frequent colours only, which takes a third of the space.
func shrink(t *testing.T, content []byte) []byte {
	t.Helper()
	full, err := png.Decode(bytes.NewReader(content))
	require.NoError(t, err)
	counts := make(map[color.Color]int)
	for y := range full.Bounds().Dy() {
		for x := range full.Bounds().Dx() {
			counts[full.At(x, y)]++
		}
	}
	palette := slices.SortedFunc(maps.Keys(counts), func(a, b color.Color) int { return cmp.Compare(counts[b], counts[a]) })
	small := image.NewPaletted(full.Bounds(), palette[:min(len(palette), maxColors)])
	draw.Draw(small, small.Rect, full, image.Point{}, draw.Src)
	var out bytes.Buffer
	require.NoError(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, small))
	return out.Bytes()
}

// makeTraffic pays for a while with a gateway that is sick for some amounts.
func makeTraffic(t *testing.T, p *apptest.Process) {
	t.Helper()
	amounts := []string{"100.00", "25.50", "12.00", "80.00", "310.00", declined, "64.00", "18.90", "9503", "41.00"}
	ctx, cancel := context.WithTimeout(t.Context(), trafficFor)
	defer cancel()
	for i := 0; ctx.Err() == nil; i++ {
		order, amount := fmt.Sprintf("order-%04d", i), amounts[i%len(amounts)]
		switch i % 60 {
		case 17:
			amount = neverAnswered
		case 31:
			amount = pendingForever
		}
		go apptest.Pay(context.WithoutCancel(ctx), p.URL, order, amount)
		time.Sleep(time.Duration(120+i*37%180) * time.Millisecond)
	}
	time.Sleep(2 * time.Second) // the latest payments end
}
