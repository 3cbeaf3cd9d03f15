package rest

// schema is a JSON Schema, as far as OpenAPI 3.1 needs one here: type, properties, required, items,
// additionalProperties, enum, format, minimum, anyOf and $ref.
type schema map[string]any

func ref(name string) schema { return schema{"$ref": "#/components/schemas/" + name} }

func list(of schema) schema { return schema{"type": "array", "items": of} }

func nullable(name string) schema { return schema{"type": []string{name, "null"}} }

// object is a JSON object: keys ending in "?" may be absent.
func object(keys map[string]schema) schema {
	properties := map[string]schema{}
	required := []string{}
	for key, s := range keys {
		if key[len(key)-1] == '?' {
			properties[key[:len(key)-1]] = s
			continue
		}
		properties[key] = s
		required = append(required, key)
	}
	return schema{"type": "object", "properties": properties, "required": sorted(required)}
}

// closed is object without any other keys.
func closed(keys map[string]schema) schema {
	s := object(keys)
	s["additionalProperties"] = false
	return s
}

var (
	anything  = schema{}
	integer   = schema{"type": "integer"}
	number    = schema{"type": "number"}
	text      = schema{"type": "string"}
	truth     = schema{"type": "boolean"}
	moment    = schema{"type": "string", "format": "date-time"}
	anyObject = schema{"type": "object"}
	binary    = schema{"type": "string", "contentMediaType": "application/octet-stream"}
)

// schemas are the bodies that the endpoints take and answer, by name.
func schemas() map[string]schema {
	all := map[string]schema{
		"Empty":            closed(nil),
		"OpenAPI":          object(map[string]schema{"openapi": text, "paths": anyObject}),
		"Entries":          closed(map[string]schema{"entries": list(ref("Entry"))}),
		"RestoreAnswer":    closed(map[string]schema{"entries?": list(ref("Entry"))}),
		"DataSources":      closed(map[string]schema{"dataSources": list(ref("DataSource"))}),
		"DataSourceAnswer": closed(map[string]schema{"dataSource": ref("DataSource")}),
		"Indexes":          closed(map[string]schema{"indexes": {"type": "object", "additionalProperties": list(anything)}}),
		"Versions":         closed(map[string]schema{"versions": list(ref("Version"))}),
		"Row":              {"type": "object", "description": "Every key is a column."},
		"Import":           object(map[string]schema{"entries": list(anyObject), "append?": truth, "runHooks?": anything}),
		"VersionQuery":     object(map[string]schema{"where?": anyObject, "limit?": nullable("integer")}),
		"Restore":          object(map[string]schema{"returnEntries?": truth}),
		"Organizations":    closed(map[string]schema{"organizations": list(closed(map[string]schema{"id": integer, "name": text}))}),
		"Error": object(map[string]schema{"message": text, "error?": text, "type?": text, "nextValidRequestDate?": moment, "requestId?": text,
			"payload?": closed(map[string]schema{"dataSourceId": integer})}),
	}
	entrySchemas(all)
	mediaSchemas(all)
	sourceSchemas(all)
	all["User"] = closed(map[string]schema{"user": closed(map[string]schema{"id": integer, "email": text, "firstName": text,
		"lastName": text, "fullName": text, "auth_token": text})})
	person := closed(map[string]schema{"id": integer, "firstName": text, "lastName": text, "fullName": text})
	person["type"] = []string{"object", "null"}
	all["Version"] = closed(map[string]schema{"id": integer, "dataSourceId": integer, "pageId": {"type": "null"}, "userId": nullable("integer"),
		"user": person, "createdAt": moment, "updatedAt": moment,
		"data": closed(map[string]schema{"action": text, "columns": {"type": []string{"array", "null"}, "items": text},
			"entries": closed(map[string]schema{"count": integer, "key": text})})})
	return all
}

// entrySchemas are the shapes of entries, queries and commits (spec 1.4, 4, 8).
func entrySchemas(all map[string]schema) {
	all["Entry"] = closed(map[string]schema{"id": integer, "data": anyObject, "order": number, "createdAt": moment, "updatedAt": moment,
		"deletedAt": {"type": []string{"string", "null"}, "format": "date-time"}, "dataSourceId": integer, "joins?": anyObject})
	pagination := closed(map[string]schema{"total": integer, "limit": nullable("integer"), "offset": integer})
	all["QueryAnswer"] = schema{"anyOf": []schema{
		closed(map[string]schema{"entries": list(ref("Entry")), "pagination?": pagination}),
		closed(map[string]schema{"count": integer, "dataSourceId": integer}),
		closed(map[string]schema{"deletedCount": integer}),
		closed(map[string]schema{"entries": list(anything), "pagination?": pagination}),
	}}
	all["Query"] = object(map[string]schema{"type?": {"type": "string", "enum": []string{"select", "delete"}}, "where?": anyObject,
		"view?": anything, "views?": anything, "join?": anyObject, "aggregate?": list(anyObject), "attributes?": anything, "distinct?": truth,
		"order?": anything, "limit?": nullable("integer"), "offset?": integer, "includePagination?": truth, "countOnly?": truth})
	all["Commit"] = object(map[string]schema{
		"entries": list(object(map[string]schema{"id?": anything, "data": anyObject, "order?": nullable("number"), "clientId?": text})),
		"append?": truth, "delete?": list(anything), "extend?": truth, "runHooks?": anything, "returnEntries?": truth,
		"columns?": list(text), "source?": text})
	all["CommitAnswer"] = closed(map[string]schema{"entries?": list(ref("Entry")),
		"clientIds": list(closed(map[string]schema{"clientId": text, "id": integer}))})
}

// sourceSchemas are the shapes of data sources (spec 1.3).
func sourceSchemas(all map[string]schema) {
	written := map[string]schema{"type?": nullable("string"), "columns?": {"type": []string{"array", "null"}, "items": text},
		"hooks?": {"type": []string{"array", "null"}, "items": anyObject}, "definition?": {"type": []string{"object", "null"}},
		"accessRules?": {"type": []string{"array", "null"}, "items": anyObject}, "bundle?": nullable("boolean"), "public?": nullable("boolean"),
		"encrypted?": truth, "appCapabilities?": anything, "appId?": anything}
	change := map[string]schema{"name?": text, "newColumns?": list(text)}
	create := map[string]schema{"name": text, "organizationId?": anything, "entries?": list(anyObject),
		"version?": closed(map[string]schema{"dataSourceId": integer, "id": integer})}
	for key, s := range written {
		change[key], create[key] = s, s
	}
	all["DataSourceChange"], all["NewDataSource"] = object(change), object(create)
	// Of the keys, attributes may leave out all but the id.
	all["DataSource"] = closed(map[string]schema{"id": integer, "name?": text, "organizationId?": nullable("integer"), "appId?": nullable("integer"),
		"appCapabilities?": anything, "hooks?": list(anyObject), "encrypted?": truth, "columns?": {"type": []string{"array", "null"}, "items": text},
		"type?": nullable("string"), "public?": nullable("boolean"), "createdAt?": moment, "updatedAt?": moment, "definition?": anyObject,
		"accessRules?": list(anyObject), "bundle?": truth, "entriesCount?": integer, "deletedAt?": moment,
		"apps?": list(anyObject)})
}
