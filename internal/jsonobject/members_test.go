package jsonobject_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"paymentd/internal/jsonobject"
)

// member is a member as encoding/json's Decoder reads it.
type member struct{ Name, Value string }

// read returns the members of an object; names are decoded.
func read(t *testing.T, text string) (members []member) {
	t.Helper()
	for m := jsonobject.New([]byte(text)); m.Next(); {
		members = append(members, member{string(m.Name), string(m.Value)})
	}
	return members
}

// decode is read with encoding/json's Decoder.
func decode(t *testing.T, text string) (members []member) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	_, err := d.Token()
	require.NoError(t, err)
	for d.More() {
		token, err := d.Token()
		require.NoError(t, err)
		name, isString := token.(string)
		require.True(t, isString)
		var value json.RawMessage
		require.NoError(t, d.Decode(&value))
		members = append(members, member{name, string(value)})
	}
	return members
}

var objects = []string{
	`{}`, " {\t} \r\n", `{"a":1}`, "\n{ \"a\" :\t-1.5e+3 , \"b\":\r\ntrue}", `{"a":null,"a":false,"A":0}`,
	`{"":"","\u0061":"\"","\\":"\\","b":"}\\\"{"}`, `{"a":{"b":[{},{"c":"]"}],"d":"}"},"e":[],"f":[[1,2],"[",{"g":"\\"}]}`,
	`{"a":[ ],"b":{ } }`, `{"a":"\ud800"}`,
}

func TestMembers_AreAsWritten(t *testing.T) {
	t.Parallel()
	require.Equal(t, []member{{"a", `{ "b" : [1, "}"] }`}, {"a", "-0.5"}, {"é", `"\u00e9"`}, {`"`, "null"}},
		read(t, ` { "a" : { "b" : [1, "}"] } ,"a":-0.5, "\u00e9":"\u00e9","\"":null}`))
	for _, text := range objects {
		require.True(t, jsonobject.IsObject([]byte(text)), text)
		require.Equal(t, decode(t, text), read(t, text), text)
	}
}

func TestIsObject_AnythingElse_IsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, ` `, `[]`, `1`, `"{}"`, `{`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{} {}`, `{}x`, `{'a':1}`, "\xEF\xBB\xBF{}", "\v{}",
	} {
		require.False(t, jsonobject.IsObject([]byte(text)), text)
	}
}

func TestText_IsTheContentOfAString(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`""`: "", `"a b"`: "a b", `"\u0061\n\"\\"`: "a\n\"\\", `"\ud800"`: "\ufffd", `"\ud83d\ude00"`: "😀",
	} {
		text, ok := jsonobject.Text([]byte(value))
		require.True(t, ok, value)
		require.Equal(t, want, text)
	}
	for _, value := range []string{"1", "null", "true", "{}", "[]"} {
		text, ok := jsonobject.Text([]byte(value))
		require.False(t, ok, value)
		require.Empty(t, text)
	}
}

// FuzzMembers compares the reader with encoding/json's Decoder.
func FuzzMembers(f *testing.F) {
	for _, text := range objects {
		f.Add(text)
	}
	f.Add("{\"\xff\":\"\xff\"}")
	f.Fuzz(func(t *testing.T, text string) {
		if !jsonobject.IsObject([]byte(text)) {
			var object map[string]any
			require.True(t, json.Unmarshal([]byte(text), &object) != nil || object == nil, text)
			return
		}
		if utf8.ValidString(text) { // otherwise the Decoder changes the names
			require.Equal(t, decode(t, text), read(t, text))
		} else {
			require.Len(t, read(t, text), len(decode(t, text)))
		}
	})
}
