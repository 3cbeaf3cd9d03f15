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
			paths[r.pattern] = map[string]any{}
		}
		paths[r.pattern][strings.ToLower(r.method)] = r.operation(options)
	}
	return json.Marshal(map[string]any{
		"openapi":  "3.1.0",
		"info":     map[string]any{"title": "siftdb", "version": "v1", "description": "Data sources over REST."},
		"servers":  []any{map[string]any{"url": cmp.Or(at.String(), "/")}},
		"security": []any{map[string]any{"token": []string{}}, map[string]any{"bearer": []string{}}, map[string]any{"query": []string{}}, map[string]any{"cookie": []string{}}},
		"paths":    paths,
		"components": map[string]any{
			"schemas": schemas(),
			"securitySchemes": map[string]any{
				"token":  map[string]any{"type": "apiKey", "in": "header", "name": "Auth-token"},
				"bearer": map[string]any{"type": "http", "scheme": "bearer", "description": "The base64 of the token, or the token itself."},
				"query":  map[string]any{"type": "apiKey", "in": "query", "name": "auth_token"},
				"cookie": map[string]any{"type": "apiKey", "in": "cookie", "name": "auth_token"},
			},
		},
	})
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
	for _, status := range r.failures(options) {
		all[itoa(int64(status))] = map[string]any{"description": http.StatusText(status),
			"content": map[string]any{jsonType: map[string]any{"schema": ref("Error")}}}
	}
	return all
}

// failures lists the statuses of the errors that a client can bring about.
func (r *route) failures(options Options) []int {
	statuses := []int{http.StatusBadRequest}
	if r.rights != open {
		statuses = append(statuses, http.StatusUnauthorized)
		if options.RateLimit.Requests > 0 {
			statuses = append(statuses, http.StatusTooManyRequests)
		}
	}
	if r.rights == admin || r.pattern == "/v1/data-sources" && r.method == http.MethodPost {
		statuses = append(statuses, http.StatusForbidden)
	}
	if strings.Contains(r.pattern, "{") || r.pattern == "/v1/data-sources" && r.method == http.MethodPost {
		statuses = append(statuses, http.StatusNotFound)
	}
	if r.content {
		statuses = append(statuses, http.StatusRequestedRangeNotSatisfiable)
	}
	if r.body == filesBody || r.pattern == "/v1/media/folders" {
		statuses = append(statuses, http.StatusForbidden, http.StatusNotFound)
	}
	if r.pattern == "/v1/media" {
		statuses = append(statuses, http.StatusNotFound)
	}
	if r.pattern == "/v1/media/folders/{folder}" {
		statuses = append(statuses, http.StatusConflict)
	}
	if r.body != noBody {
		statuses = append(statuses, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	return statuses
}
