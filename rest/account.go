package rest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/siftdb/siftdb"
)

// getUser is GET v1/user: whose token it is. Clients call it to find out whether the token works
// (spec 12.3).
func getUser(c *call) error {
	type user struct {
		ID        int64  `json:"id"`
		Email     string `json:"email"`
		FirstName string `json:"firstName"`
		LastName  string `json:"lastName"`
		FullName  string `json:"fullName"`
		Token     string `json:"auth_token"`
	}
	a := c.account
	u := user{ID: a.UserID, Email: a.Email, FirstName: a.FirstName, LastName: a.LastName,
		FullName: strings.TrimSpace(a.FirstName + " " + a.LastName), Token: c.token}
	if u.ID == 0 {
		u.ID = a.Principal.TokenID
	}
	return c.json(http.StatusOK, map[string]any{"user": u})
}

// getOrganizations is GET v1/organizations: those of the token.
func getOrganizations(c *call) error {
	list := c.account.Organizations
	if list == nil {
		ids, err := c.organizationIDs()
		if err != nil {
			return err
		}
		list = make([]Organization, len(ids))
		for i, id := range ids {
			list[i] = Organization{ID: id, Name: "Organization " + strconv.FormatInt(id, 10)}
		}
	}
	return c.json(http.StatusOK, map[string]any{"organizations": list})
}

// organizationIDs returns the organization that the token is bound to, or all that own a data
// source when it is bound to none.
func (c *call) organizationIDs() ([]int64, error) {
	if id := c.who.OrganizationID; id != nil {
		return []int64{*id}, nil
	}
	sources, err := c.db.DataSources(c.r.Context(), siftdb.ListOptions{})
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, s := range sources {
		if s.OrganizationID != nil {
			ids = append(ids, *s.OrganizationID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// getOpenAPI is GET v1/openapi.json.
func getOpenAPI(c *call) error {
	text := c.h.openapi
	if mount := mountOf(c.r); mount != "" {
		text = servedAt(text, c.h.prefix, mount)
	}
	c.w.begin(http.StatusOK, int64(len(text)))
	_, err := c.w.Write(text)
	return err
}
