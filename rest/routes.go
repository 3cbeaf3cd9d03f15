package rest

import (
	"net/http"
	"strings"
)

// rights is who may come to an endpoint at all (the column of spec 12.3). What the rules of a data
// source say is asked later, by the database.
type rights int

const (
	open   rights = iota // everybody, without a token too
	public               // a token, or nobody for a public data source (spec 14.2)
	token                // any token
	admin                // an admin token
)

// route is one endpoint: what it is called by, who may call it, what it takes, what it does, and
// what it answers. Dispatch, the header Allow, the tests and the OpenAPI document are made of the
// table of routes.
type route struct {
	method   string
	pattern  string
	rights   rights
	body     bodyKind
	bulk     bool // the larger limit of bodies
	handle   func(*call) error
	summary  string
	query    []parameter
	request  string // name of the schema of the body
	status   int    // of success
	response string // name of the schema of the answer; empty for no body
	form     string // name of the schema of a multipart body, where it is another than request
	content  bool   // the answer is a file

	parts    []string // of the pattern
	literals int      // parts that are no parameters
	hides    bool     // a literal part stands where others have the name of a data source
}

// parameter is one of the query string.
type parameter struct {
	name, schema, text string
}

const sourcePath = "/v1/data-sources/{ds}"

// routeTable returns all endpoints.
func routeTable() []*route {
	table := []*route{
		{method: "GET", pattern: "/v1/data-sources", rights: token, handle: listSources, summary: "List the data sources of an app or an organization",
			query: []parameter{appID, organizationID, attributesParam, {"includeInUse", "flag", "also those that the app uses"},
				{"type", "text", "only those of a type; empty or null: only those without one"}, {"excludeTypes", "text", "types that are left out, with commas"}},
			status: 200, response: "DataSources"},
		{method: "POST", pattern: "/v1/data-sources", rights: token, body: optionsBody, handle: createSource, summary: "Create a data source",
			query: []parameter{appID, organizationID}, request: "NewDataSource", status: 201, response: "DataSourceAnswer"},
		{method: "GET", pattern: "/v1/data-sources/deleted", rights: admin, handle: listTrash, summary: "List the trash, newest first",
			query: []parameter{appID}, status: 200, response: "DataSources"},
		{method: "DELETE", pattern: "/v1/data-sources/deleted/{id}", rights: admin, handle: purgeSource,
			summary: "Remove a data source from the trash for good", status: 200, response: "Empty"},
		{method: "POST", pattern: "/v1/data-sources/{id}/restore", rights: admin, handle: restoreSource,
			summary: "Take a data source out of the trash", status: 200, response: "DataSourceAnswer"},
		{method: "GET", pattern: sourcePath, rights: public, handle: getSource, summary: "Get a data source",
			query: []parameter{dsn, attributesParam, {"includeEntriesCount", "flag", "adds entriesCount"}}, status: 200, response: "DataSourceAnswer"},
		{method: "PUT", pattern: sourcePath, rights: admin, body: optionsBody, handle: updateSource, summary: "Change attributes of a data source",
			query: []parameter{dsn}, request: "DataSourceChange", status: 200, response: "DataSourceAnswer"},
		{method: "DELETE", pattern: sourcePath, rights: admin, handle: deleteSource, summary: "Move a data source to the trash",
			query: []parameter{dsn}, status: 200},
		{method: "GET", pattern: sourcePath + "/data", rights: public, handle: listEntries, summary: "List entries",
			query: append([]parameter{dsn}, readParams...), status: 200, response: "QueryAnswer"},
		{method: "POST", pattern: sourcePath + "/data", rights: token, body: rowsBody, bulk: true, handle: importEntries,
			summary: "Replace all entries, or add some", query: []parameter{dsn, {"append", "flag", "keeps what is there"}, runHooksParam, sourceParam}, request: "Import", form: "ImportFile", status: 200},
		{method: "PUT", pattern: sourcePath + "/data", rights: token, body: rowBody, handle: insertEntry, summary: "Insert an entry",
			query: []parameter{dsn, sourceParam, folderID, mediaFolderID, ackParam}, request: "Row", form: "Form", status: 201, response: "Entry"},
		{method: "GET", pattern: sourcePath + "/data/query", rights: public, handle: getQuery, summary: "Run a query that only reads",
			query: append([]parameter{dsn, {"type", "text", "select"}}, readParams...), status: 200, response: "QueryAnswer"},
		{method: "POST", pattern: sourcePath + "/data/query", rights: public, body: optionsBody, handle: postQuery, summary: "Run a query",
			query: []parameter{dsn}, request: "Query", status: 200, response: "QueryAnswer"},
		{method: "GET", pattern: sourcePath + "/data/{entry}", rights: public, handle: getEntry, summary: "Get an entry",
			query: []parameter{dsn, attributesParam}, status: 200, response: "Entry"},
		{method: "PUT", pattern: sourcePath + "/data/{entry}", rights: token, body: rowBody, handle: updateEntry, summary: "Merge columns into an entry",
			query: []parameter{dsn, sourceParam, folderID, mediaFolderID, ackParam}, request: "Row", form: "Form", status: 201, response: "Entry"},
		{method: "DELETE", pattern: sourcePath + "/data/{entry}", rights: token, handle: deleteEntry, summary: "Delete an entry for good",
			query: []parameter{dsn}, status: 200, response: "Empty"},
		{method: "POST", pattern: sourcePath + "/commit", rights: token, body: optionsBody, bulk: true, handle: commit,
			summary: "Insert, update and delete in one atomic write", query: []parameter{dsn, {"append", "flag", "keeps entries that are not sent"},
				runHooksParam, {"returnEntries", "flag", "false leaves the entries out of the answer"}, sourceParam}, request: "Commit", status: 200, response: "CommitAnswer"},
		{method: "GET", pattern: sourcePath + "/indexes", rights: public, handle: indexes, summary: "Unique values of no column: refused", query: []parameter{dsn}, status: 400, response: "Error"},
		{method: "GET", pattern: sourcePath + "/indexes/{columns}", rights: public, handle: indexes, summary: "Unique values of columns",
			query: []parameter{dsn}, status: 200, response: "Indexes"},
		{method: "GET", pattern: sourcePath + "/versions", rights: token, handle: listVersions, summary: "List versions, newest first",
			query: []parameter{dsn, limitParam, offsetParam}, status: 200, response: "Versions"},
		{method: "GET", pattern: sourcePath + "/versions/{version}/data", rights: token, handle: getVersion, summary: "Entries of a version",
			query: []parameter{dsn, limitParam}, status: 200, response: "Entries"},
		{method: "POST", pattern: sourcePath + "/versions/{version}/data", rights: token, body: optionsBody, handle: postVersion,
			summary: "Entries of a version that match", query: []parameter{dsn, limitParam}, request: "VersionQuery", status: 200, response: "Entries"},
		{method: "POST", pattern: sourcePath + "/versions/{version}/restore", rights: token, body: optionsBody, handle: restoreVersion, summary: "Restore a version",
			query: []parameter{dsn, {"returnEntries", "flag", "false leaves the entries out of the answer"}}, request: "Restore", status: 200, response: "RestoreAnswer"},
		{method: "GET", pattern: "/v1/media", rights: token, handle: listMedia, summary: "List the files and folders in a folder, or in none",
			query: []parameter{appID, organizationID, folderID}, status: 200, response: "Media"},
		{method: "POST", pattern: "/v1/media/folders", rights: token, body: optionsBody, handle: createFolder, summary: "Create a folder",
			query: []parameter{appID, organizationID}, request: "NewFolder", status: 201, response: "Folder"},
		{method: "DELETE", pattern: "/v1/media/folders/{folder}", rights: admin, handle: deleteFolder, summary: "Delete an empty folder",
			status: 200, response: "Empty"},
		{method: "POST", pattern: "/v1/media/files", rights: token, body: filesBody, handle: uploadFiles, summary: "Upload files",
			query: []parameter{appID, organizationID, folderID, mediaFolderID, {"name", "text", "the name of the file"}}, form: "Upload", status: 201, response: "Files"},
		{method: "GET", pattern: "/v1/media/files/{file}", rights: token, handle: getFile, summary: "What is known of a file", status: 200, response: "FileAnswer"},
		{method: "DELETE", pattern: "/v1/media/files/{file}", rights: token, handle: deleteFile, summary: "Delete a file for good", status: 200, response: "Empty"},
		{method: "GET", pattern: "/v1/media/files/{file}/contents", rights: token, handle: getContents, summary: "The bytes of a file", status: 200, content: true},
		{method: "GET", pattern: "/v1/media/files/{file}/contents/{name}", rights: token, handle: getContents, summary: "The bytes of a file, under a name for people",
			status: 200, content: true},
		{method: "GET", pattern: "/v1/user", rights: token, handle: getUser, summary: "Whose token it is", status: 200, response: "User"},
		{method: "GET", pattern: "/v1/organizations", rights: token, handle: getOrganizations, summary: "The organizations of the token", status: 200, response: "Organizations"},
		{method: "GET", pattern: "/v1/openapi.json", rights: open, handle: getOpenAPI, summary: "This description", status: 200, response: "OpenAPI"},
	}
	for _, r := range table {
		r.compile()
	}
	return table
}

// compile takes the pattern apart.
func (r *route) compile() {
	r.parts = strings.Split(strings.TrimPrefix(r.pattern, "/"), "/")
	for _, part := range r.parts {
		if part == "{ds}" {
			r.query = append(r.query, nameApp)
		}
		if !strings.HasPrefix(part, "{") {
			r.literals++
		}
	}
	r.hides = r.method == http.MethodGet && strings.HasPrefix(r.pattern, "/v1/data-sources/deleted")
}

// Parameters that several endpoints take.
var (
	dsn             = parameter{"dsn", "flag", "makes a data source of digits a name"}
	appID           = parameter{"appId", "id", "the app that the request is about"}
	organizationID  = parameter{"organizationId", "id", "the organization that the request is about"}
	attributesParam = parameter{"attributes", "text", "names of what is returned, with commas"}
	folderID        = parameter{"folderId", "id", "the folder of files"}
	mediaFolderID   = parameter{"mediaFolderId", "id", "another name of folderId"}
	nameApp         = parameter{"appId", "id", "the app whose data source goes first where several have the name in the path"}
	ackParam        = parameter{"ack", "text", "taken, and without effect"}
	runHooksParam   = parameter{"runHooks", "text", "which hooks run where the body says nothing: true, false, or a list of insert and update, as JSON text"}
	sourceParam     = parameter{"source", "text", "a label of the write"}
	limitParam      = parameter{"limit", "count", "how many are returned at most"}
	offsetParam     = parameter{"offset", "count", "how many are skipped first"}
	readParams      = []parameter{{"where", "text", "a filter, as JSON text"}, attributesParam, {"order", "text", "as JSON text"}, limitParam, offsetParam,
		{"view", "text", "name of a view"}, {"includePagination", "flag", "adds the number of all matches"}, {"countOnly", "flag", "answers with a count"}}
)
