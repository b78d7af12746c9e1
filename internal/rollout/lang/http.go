package lang

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/slipway-dev/slipway/internal/release"
)

// mostBody is how many bytes of an answer are read.
const mostBody = 10 << 20

func httpModule() starlark.Value {
	functions := map[string]builtin{}
	for _, method := range []string{"get", "post", "put", "patch", "delete", "head"} {
		functions[method] = request
	}
	return module("http", functions)
}

func request(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := env(thread)
	var to, body string
	headers := starlark.NewDict(0)
	if err := unpack(b.Name(), args, kwargs, "url", &to, "headers?", &headers, "body?", &body); err != nil {
		return nil, err
	}
	if e.options.HTTP == nil {
		return nil, &fault{at: e.here(thread), message: b.Name() + "() is not allowed here", hint: "call it inside of a function",
			cause: release.Refuse("", "%s() is not allowed here", b.Name())}
	}
	method := strings.ToUpper(strings.TrimPrefix(b.Name(), "http."))
	at := e.at(thread, "url", 0)
	parsed, err := url.Parse(to)
	if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
		return nil, faultf(at, `such as "https://example.com/path"`, "%q is no address of http or https", clip(to, 80))
	}
	req, err := http.NewRequestWithContext(threadContext(thread), method, to, strings.NewReader(body))
	if err != nil {
		return nil, faultf(at, "", "%s: %v", b.Name(), err)
	}
	if err := setHeaders(req.Header, headers); err != nil {
		return nil, faultf(e.at(thread, "headers", 1), `write headers={"Accept": "application/json"}`, "headers %v", err)
	}
	answer, err := e.options.HTTP.Do(req)
	if err != nil {
		return nil, e.httpFault(thread, method, parsed, err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(io.LimitReader(answer.Body, mostBody+1))
	if err != nil {
		return nil, e.httpFault(thread, method, parsed, err)
	}
	if len(content) > mostBody {
		return nil, faultf(e.here(thread), "download large files with host.shell and curl", "%s %s: the answer has more than %d MiB", method, shown(parsed), mostBody>>20)
	}
	return response(answer, string(content))
}

func (e *evaluation) httpFault(thread *starlark.Thread, method string, to *url.URL, err error) error {
	cause := err
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // it has the whole address, and passwords may be in that
	}
	return &fault{at: e.here(thread), message: fmt.Sprintf("%s %s: %v", method, shown(to), err), cause: cause}
}

// shown is an address without what may be secret in it.
func shown(u *url.URL) string { return u.Scheme + "://" + u.Host + u.EscapedPath() }

func setHeaders(h http.Header, d *starlark.Dict) error {
	for _, item := range d.Items() {
		name, ok := starlark.AsString(item[0])
		if !ok {
			return fmt.Errorf("has the key %s, which is no string", show(item[0], 40))
		}
		values := []string{}
		if one, ok := starlark.AsString(item[1]); ok {
			values = append(values, one)
		} else {
			many, err := text(item[1])
			if err != nil {
				return fmt.Errorf("[%q] %w", clip(name, 40), err)
			}
			values = many
		}
		for _, v := range values {
			if strings.ContainsAny(name+v, "\r\n\x00") {
				return fmt.Errorf("[%q] has a line break", clip(name, 40))
			}
			h.Add(name, v)
		}
	}
	return nil
}

// response is the dict that Ocuroot gave.
func response(answer *http.Response, body string) (starlark.Value, error) {
	headers := starlark.NewDict(len(answer.Header))
	for _, name := range slices.Sorted(maps.Keys(answer.Header)) {
		values := starlark.NewList(nil)
		for _, v := range answer.Header[name] {
			if err := values.Append(starlark.String(v)); err != nil {
				return nil, err
			}
		}
		if err := headers.SetKey(starlark.String(name), values); err != nil {
			return nil, err
		}
	}
	d := starlark.NewDict(4)
	for _, kv := range []starlark.Tuple{
		{starlark.String("status_code"), starlark.MakeInt(answer.StatusCode)},
		{starlark.String("status_text"), starlark.String(answer.Status)},
		{starlark.String("headers"), headers},
		{starlark.String("body"), starlark.String(body)},
	} {
		if err := d.SetKey(kv[0], kv[1]); err != nil {
			return nil, err
		}
	}
	return d, nil
}
