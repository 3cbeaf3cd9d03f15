package rest

import (
	"iter"
	"net/http"
	"strconv"

	"github.com/siftdb/siftdb"
)

// listMedia is GET v1/media: the files and folders in a folder, or those in none (spec 12.3).
func listMedia(c *call) error {
	q, err := c.mediaQuery()
	if err != nil {
		return err
	}
	files := c.db.Files()
	folders, err := files.Folders(c.r.Context(), q)
	if err != nil {
		return err
	}
	list, err := files.List(c.r.Context(), q)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, map[string]any{"folders": folders, "files": list})
}

// mediaQuery reads the parameters of a list. Without any it is about the token's organization, or
// else its app.
func (c *call) mediaQuery() (q siftdb.FileQuery, err error) {
	if q.AppID, err = c.query.id("appId"); err != nil {
		return q, err
	}
	if q.OrganizationID, err = c.query.id("organizationId"); err != nil {
		return q, err
	}
	if q.FolderID, err = c.query.id("folderId"); err != nil || q.FolderID != nil || q.AppID != nil || q.OrganizationID != nil {
		return q, err
	}
	in, err := c.scopeOf(nil, nil)
	if in.organization != nil {
		in.app = nil
	}
	q.AppID, q.OrganizationID = in.app, in.organization
	return q, err
}

// createFolder is POST v1/media/folders.
func createFolder(c *call) error {
	text, err := c.optionsText()
	if err == nil {
		text, err = c.withFallbacks(text, "appId", "organizationId")
	}
	if err != nil {
		return err
	}
	body, err := parseObject(text)
	if err != nil {
		return err
	}
	a := attributesOf(body)
	spec := siftdb.FolderSpec{ParentID: a.id("parentId"), AppID: a.id("appId"), OrganizationID: a.id("organizationId")}
	if name := a.text("name"); name != nil {
		spec.Name = *name
	}
	if a.err != nil {
		return a.err
	}
	folder, err := c.db.Files().CreateFolder(c.r.Context(), spec, c.writer("")...)
	if err != nil {
		return err
	}
	return c.json(http.StatusCreated, folder)
}

// uploadFiles is POST v1/media/files. What the query string says counts where the body says nothing.
func uploadFiles(c *call) error {
	b, err := c.open()
	if err != nil {
		return err
	}
	if b.media == "" {
		return invalid("The body is empty: send files as multipart/form-data.")
	}
	form, err := c.form(b)
	if err != nil {
		return err
	}
	if form.AppID, err = c.query.id("appId"); err != nil {
		return err
	}
	if form.OrganizationID, err = c.query.id("organizationId"); err != nil {
		return err
	}
	name, given, err := c.query.text("name")
	if err != nil {
		return err
	}
	if given && name != "" {
		form.Parts = named(name, form.Parts)
	}
	files, err := c.db.Files().UploadForm(c.r.Context(), form, c.writer("")...)
	if err != nil {
		return err
	}
	return c.json(http.StatusCreated, map[string]any{"files": files})
}

// named puts the name of the first file before a form, which can name it otherwise.
func named(name string, parts iter.Seq2[siftdb.Part, error]) iter.Seq2[siftdb.Part, error] {
	return func(yield func(siftdb.Part, error) bool) {
		if !yield(siftdb.Part{Name: "name[0]", Text: name}, nil) {
			return
		}
		first := true
		for part, err := range parts {
			if first && part.Content == nil && (part.Name == "name" || part.Name == "name[]") {
				part.Name, first = "name[0]", false
			}
			if !yield(part, err) {
				return
			}
		}
	}
}

// mediaID returns the id of a file or folder in the path.
func (c *call) mediaID(what string) (int64, error) {
	id, err := strconv.ParseInt(c.params[what], 10, 64)
	if err != nil || id == 0 {
		return 0, notFound(what + " " + clip(c.params[what], 30) + " does not exist")
	}
	return id, nil
}

// getFile is GET v1/media/files/<id>.
func getFile(c *call) error {
	id, err := c.mediaID("file")
	if err != nil {
		return err
	}
	info, err := c.db.Files().Get(c.r.Context(), id)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, map[string]any{"file": info})
}

// deleteFile is DELETE v1/media/files/<id>.
func deleteFile(c *call) error {
	id, err := c.mediaID("file")
	if err == nil {
		err = c.db.Files().Delete(c.r.Context(), id)
	}
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, struct{}{})
}

// deleteFolder is DELETE v1/media/folders/<id>.
func deleteFolder(c *call) error {
	id, err := c.mediaID("folder")
	if err == nil {
		err = c.db.Files().DeleteFolder(c.r.Context(), id)
	}
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, struct{}{})
}

// mediaSchemas are the shapes of files and folders (spec 13).
func mediaSchemas(all map[string]schema) {
	all["File"] = closed(map[string]schema{"id": integer, "name": text, "contentType": text, "path": text, "url": text, "thumbnail": {"type": "null"},
		"size": {"type": []string{"array", "null"}, "items": integer}, "isEncrypted": nullable("boolean"), "versions": anyObject, "isOrganizationMedia": truth,
		"metadata":  closed(map[string]schema{"checksum": text, "clientChecksum?": text}),
		"createdAt": moment, "updatedAt": moment, "appId": nullable("integer"), "organizationId": nullable("integer"), "mediaFolderId": nullable("integer"),
		"dataSourceEntryId": nullable("integer"), "dataTrackingId": {"type": "null"}, "userId": nullable("integer")})
	all["Folder"] = closed(map[string]schema{"id": integer, "name": text, "parentId": nullable("integer"), "organizationId": nullable("integer"),
		"appId": nullable("integer"), "createdAt": moment, "updatedAt": moment, "deletedAt": {"type": "null"}})
	all["Media"] = closed(map[string]schema{"folders": list(ref("Folder")), "files": list(ref("File"))})
	all["Files"] = closed(map[string]schema{"files": list(ref("File"))})
	all["FileAnswer"] = closed(map[string]schema{"file": ref("File")})
	all["NewFolder"] = object(map[string]schema{"name": text, "parentId?": anything, "appId?": anything, "organizationId?": anything})
	all["Form"] = schema{"type": "object", "description": "Every part is a column; of one with a file name the column gets the URL. " +
		"_flSchema is JSON: {column: {mediaFolderId, append}}.", "properties": map[string]schema{"_flSchema": text}}
	all["Upload"] = schema{"type": "object", "description": "Every part with a file name is a file.", "properties": map[string]schema{
		"files": list(binary), "name": text, "checksum": text, "folderId": text, "appId": text, "organizationId": text}}
	all["ImportFile"] = object(map[string]schema{"file": binary, "append?": text})
}
