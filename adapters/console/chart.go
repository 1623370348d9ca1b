package console

import (
	"fmt"
	"math"
	"strings"
	"time"
)

const (
	// chartPeriods is the number of bars. A bar is chartPeriod wide, or shortPeriod if there was no traffic before
	// shortPeriod*chartPeriods, so that the first minutes after a start are not squeezed into a corner.
	chartPeriods = 90
	chartPeriod  = keptSeconds * time.Second / chartPeriods
	shortPeriod  = 2 * time.Second
	// chartWidth and chartHeight are the size of a drawing in its own units. The page stretches it.
	chartWidth  = 10 * chartPeriods
	chartHeight = 100
)

// chartBar is one rectangle of a drawing.
type chartBar struct {
	X, Y, Width, Height string
	Class               string // the tone of what it counts
}

// chartLine is one curve of a drawing.
type chartLine struct {
	Points string
	Class  string
}

// drawing is a chart as SVG needs it. Its values are for people who see it; the page has them as text as well.
type drawing struct {
	Bars  []chartBar
	Lines []chartLine
	// Scale has the values of the upper edge, of lines at equal distances below it, and of the lower edge. Grid has the heights
	// of these lines.
	Scale []string
	Grid  []string
}

// setScale sets the scale from the upper to the lower edge.
func (d *drawing) setScale(values ...string) {
	d.Scale = values
	for i := 1; i < len(values)-1; i++ {
		d.Grid = append(d.Grid, coordinate(float64(i)/float64(len(values)-1)*chartHeight))
	}
}

// drawOutcomes draws the outcomes of periods of the length, stacked.
func drawOutcomes(periods []tally, length time.Duration) drawing {
	highest := uint32(1)
	for i := range periods {
		highest = max(highest, periods[i].settled())
	}
	top := roundUp(float64(highest) / length.Seconds())
	var d drawing
	d.setScale(number(top)+"/s", number(top/2)+"/s", "0")
	for i := range periods {
		below := 0.0
		for o, n := range periods[i].Outcomes {
			if n == 0 {
				continue
			}
			height := float64(n) / length.Seconds() / top * chartHeight
			d.Bars = append(d.Bars, chartBar{
				X: coordinate(float64(10*i + 1)), Width: "8",
				Y: coordinate(chartHeight - below - height), Height: coordinate(height),
				Class: outcomeClass(o),
			})
			below += height
		}
	}
	return d
}

// drawLatency draws the median and the 95th percentile of the durations of each period that has any. The scale is
// logarithmic, because a retry takes a hundred times as long as an answer at once.
func drawLatency(periods []tally) drawing {
	longest := time.Millisecond
	for i := range periods {
		longest = max(longest, periods[i].quantile(.95))
	}
	decades := max(2, math.Ceil(decadesOf(longest)))
	var d drawing
	var scale []string
	for i := decades; i >= 0; i-- {
		scale = append(scale, brief(time.Duration(math.Pow(10, i))*time.Millisecond))
	}
	d.setScale(scale...)
	for _, of := range []struct {
		q     float64
		class string
	}{{.95, "line-high"}, {.5, "line-median"}} {
		var run []string
		end := func() {
			if len(run) == 1 { // a point is drawn as a short line
				x, y, _ := strings.Cut(run[0], ",")
				run = []string{fmt.Sprintf("%s,%s", x, y), fmt.Sprintf("%s.9,%s", x, y)}
			}
			if len(run) > 0 {
				d.Lines = append(d.Lines, chartLine{Points: strings.Join(run, " "), Class: of.class})
			}
			run = nil
		}
		for i := range periods {
			if periods[i].requests() == 0 {
				end()
				continue
			}
			height := decadesOf(periods[i].quantile(of.q)) / decades * chartHeight
			run = append(run, fmt.Sprintf("%d,%s", 10*i+5, coordinate(chartHeight-height)))
		}
		end()
	}
	return d
}

// decadesOf returns the logarithm of a duration in milliseconds; zero for a shorter one.
func decadesOf(d time.Duration) float64 {
	return max(0, math.Log10(float64(d)/float64(time.Millisecond)))
}

// outcomeClass returns the style of the outcome with this index.
func outcomeClass(i int) string { return "of-" + string(outcomes[i]) }

// roundUp returns the least of 1, 2, 3, 4, 5, 6 and 8 times a power of ten that is not below v.
func roundUp(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 3, 4, 5, 6, 8} {
		if m*power >= v {
			return m * power
		}
	}
	return 10 * power
}

// number formats a rate with two significant digits.
func number(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 1:
		return fmt.Sprintf("%.2g", v)
	case v < 10:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
	}
	return fmt.Sprintf("%.0f", v)
}

func coordinate(v float64) string { return fmt.Sprintf("%.1f", v) }
