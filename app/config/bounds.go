package config

import (
	"fmt"
	"reflect"
	"strconv"
	"time"
)

// validateBounds checks the fields of a struct of settings that have the tags min and max.
func validateBounds(settings any) error {
	value := reflect.ValueOf(settings).Elem()
	for field, v := range value.Fields() {
		low, high := field.Tag.Get("min"), field.Tag.Get("max")
		if low == "" {
			continue
		}
		if problem := outOfBounds(v.Interface(), low, high); problem != "" {
			return invalidVariable(field.Tag.Get("env"), problem)
		}
	}
	return nil
}

// outOfBounds returns what is wrong with the value; empty if nothing is. A tag that cannot be parsed is a
// mistake in the code.
func outOfBounds(value any, low, high string) string {
	switch v := value.(type) {
	case int:
		return between(v, must(strconv.Atoi(low)), must(strconv.Atoi(high)))
	case float64:
		return between(v, must(parseFloat(low)), must(parseFloat(high)))
	case time.Duration:
		return between(v, must(time.ParseDuration(low)), must(time.ParseDuration(high)))
	case optionalDuration:
		return outOfBounds(v.duration, low, high) // zero if it is not given
	}
	panic(fmt.Sprintf("a setting of type %T has no bounds", value))
}

// between is written so that NaN is out of bounds.
func between[T int | float64 | time.Duration](v, low, high T) string {
	if v >= low && v <= high {
		return ""
	}
	return fmt.Sprintf("must be from %v to %v, and is %v", low, high, v)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
