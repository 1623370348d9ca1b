package app_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// readSchema reads a JSON Schema of the docs.
func readSchema(t *testing.T, name string) (schema map[string]any) {
	t.Helper()
	text, err := os.ReadFile("../docs/" + name)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &schema))
	return schema
}

// follow requires that a value follows a JSON Schema that has only the keywords of this function.
func follow(t *testing.T, root, schema map[string]any, value any) {
	t.Helper()
	if ref, ok := schema["$ref"].(string); ok {
		defs, _ := root["$defs"].(map[string]any)
		schema, _ = defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
		require.NotEmpty(t, schema, ref)
	}
	if len(schema) == 0 {
		return // any value
	}
	if enum, ok := schema["enum"].([]any); ok {
		require.Contains(t, enum, value)
	}
	types, many := schema["type"].([]any)
	if !many {
		types = []any{schema["type"]}
	}
	switch v := value.(type) {
	case map[string]any:
		require.Contains(t, types, "object")
		followObject(t, root, schema, v)
	case []any:
		require.Contains(t, types, "array")
		items, _ := schema["items"].(map[string]any)
		for _, element := range v {
			follow(t, root, items, element)
		}
	case string:
		require.Contains(t, types, "string")
		if pattern, ok := schema["pattern"].(string); ok {
			require.Regexp(t, pattern, v)
		}
	case float64:
		require.True(t, slices.Contains(types, any("integer")) || slices.Contains(types, any("number")), types)
		require.GreaterOrEqual(t, v, schema["minimum"])
	case bool:
		require.Contains(t, types, "boolean")
	case nil:
		require.Contains(t, types, "null")
	default:
		require.Fail(t, "a value without a type", value)
	}
}

func followObject(t *testing.T, root, schema, object map[string]any) {
	t.Helper()
	required, _ := schema["required"].([]any)
	for _, name := range required {
		require.Contains(t, object, name)
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, member := range object {
		property, known := properties[name].(map[string]any)
		if others, ok := schema["additionalProperties"].(map[string]any); ok && !known {
			property, known = others, true
		}
		if !known {
			require.Equal(t, true, schema["additionalProperties"], "the schema lacks %s", name)
			continue
		}
		follow(t, root, property, member)
	}
}
