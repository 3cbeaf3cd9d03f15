package rest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

func sorted(names []string) []string {
	slices.Sort(names)
	return names
}

// describe returns the OpenAPI 3.1 document of the routes.
func describe(routes []*route, options Options, at prefix) ([]byte, error) {
	paths := map[string]map[string]any{}
	for _, r := range routes {
		if paths[r.pattern] == nil {
			paths[r.pattern] = map[string]any{"description": "Other methods are answered with 405, as in components/responses/MethodNotAllowed."}
		}
		paths[r.pattern][strings.ToLower(r.method)] = r.operation(options)
	}
	return json.Marshal(map[string]any{
		"openapi":  "3.1.0",
		"info":     map[string]any{"title": "siftdb", "version": "v1", "description": about},
		"servers":  []any{map[string]any{"url": cmp.Or(at.String(), "/")}},
		"security": places(),
		"paths":    paths,
		"components": map[string]any{
			"schemas": schemas(),
			"responses": map[string]any{"MethodNotAllowed": map[string]any{"description": http.StatusText(http.StatusMethodNotAllowed), "content": problemContent(),
				"headers": map[string]any{"Allow": map[string]any{"description": "The methods that the path takes", "schema": text}}}},
			"securitySchemes": map[string]any{
				"token":  map[string]any{"type": "apiKey", "in": "header", "name": "Auth-token"},
				"bearer": map[string]any{"type": "http", "scheme": "bearer", "description": "The base64 of the token, or the token itself."},
				"query":  map[string]any{"type": "apiKey", "in": "query", "name": "auth_token"},
				"cookie": map[string]any{"type": "apiKey", "in": "cookie", "name": "auth_token"},
			},
		},
	})
}

// places are the ways to send a token, of which one is enough.
func places() []any {
	var all []any
	for _, scheme := range []string{"token", "bearer", "query", "cookie"} {
		all = append(all, map[string]any{scheme: []string{}})
	}
	return all
}

const about = "Data sources over REST. HEAD is GET without the body. A path that is not here is answered with 404."

// problemContent describes the body of an error.
func problemContent() map[string]any {
	return map[string]any{jsonType: map[string]any{"schema": ref("Error")}}
}

// operation describes one route.
func (r *route) operation(options Options) map[string]any {
	op := map[string]any{"summary": r.summary, "responses": r.responses(options)}
	if params := r.parameters(); len(params) > 0 {
		op["parameters"] = params
	}
	if r.body != noBody {
		content := map[string]any{}
		for _, media := range r.body.types() {
			name := r.request
			if media == multipartType && r.form != "" {
				name = r.form
			}
			content[media] = map[string]any{"schema": ref(name)}
		}
		op["requestBody"] = map[string]any{"content": content}
	}
	switch r.rights {
	case open:
		op["security"] = []any{}
	case public:
		op["security"] = append(places(), map[string]any{})
		op["description"] = "Public data sources can be read without a token."
	case admin:
		op["description"] = "Needs an admin token."
	}
	return op
}

// parameters describes what stands in the path and in the query string.
func (r *route) parameters() []any {
	var params []any
	for _, part := range r.parts {
		if !strings.HasPrefix(part, "{") {
			continue
		}
		name, kind := part[1:len(part)-1], integer
		if name == "ds" || name == "columns" || name == "entry" || name == "name" {
			kind = text
		}
		params = append(params, map[string]any{"name": name, "in": "path", "required": true, "schema": kind})
	}
	kinds := map[string]schema{"text": text, "flag": text, "id": integer, "count": {"type": "integer", "minimum": 0}}
	for _, p := range r.query {
		params = append(params, map[string]any{"name": p.name, "in": "query", "description": p.text, "schema": kinds[p.schema]})
	}
	return params
}

// successStatus is the status of success under the options.
func (r *route) successStatus(options Options) int {
	if options.StatusOK && r.body == rowBody {
		return http.StatusOK
	}
	return r.status
}

// responses describes the answers: of success, and the errors that the endpoint can have.
func (r *route) responses(options Options) map[string]any {
	success := map[string]any{"description": "Success"}
	if r.response != "" {
		success["content"] = map[string]any{jsonType: map[string]any{"schema": ref(r.response)}}
	}
	all := map[string]any{itoa(int64(r.successStatus(options))): success}
	if r.content {
		success["content"] = map[string]any{"*/*": map[string]any{"schema": binary}}
		all[itoa(http.StatusPartialContent)] = map[string]any{"description": "The range that was asked for", "content": success["content"]}
	}
	if r.content {
		all[itoa(http.StatusNotModified)] = map[string]any{"description": "The client has the file already"}
	}
	for _, status := range r.failures(options) {
		all[itoa(int64(status))] = map[string]any{"description": http.StatusText(status), "content": problemContent()}
	}
	return all
}

// failures lists the statuses of the errors that the endpoint can have.
func (r *route) failures(options Options) []int {
	statuses := []int{http.StatusBadRequest}
	writes := r.method != http.MethodGet
	creates := r.pattern == "/v1/data-sources" && writes
	if r.rights != open {
		statuses = append(statuses, http.StatusUnauthorized, http.StatusInternalServerError, http.StatusServiceUnavailable)
		if options.RateLimit.Requests > 0 {
			statuses = append(statuses, http.StatusTooManyRequests)
		}
	}
	if r.rights == admin || writes { // at least by a cookie from a page of another origin
		statuses = append(statuses, http.StatusForbidden)
	}
	if strings.Contains(r.pattern, "{") || creates || strings.HasPrefix(r.pattern, "/v1/media") {
		statuses = append(statuses, http.StatusNotFound)
	}
	if r.content {
		statuses = append(statuses, http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable)
	}
	if writes && !strings.HasSuffix(r.pattern, "/versions/{version}/data") {
		statuses = append(statuses, http.StatusConflict)
	}
	if r.body != noBody {
		statuses = append(statuses, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	return statuses
}
