package security

// Principal is who asks (spec 11.1). A nil *Principal is trusted Go code, to which no rules
// apply. A Principal must not be changed while it is in use; several goroutines may share one.
type Principal struct {
	// TokenID is the id of the token; 0 when there is none.
	TokenID int64
	// Admin says that rules do not apply.
	Admin bool
	// AppID is the app that the token belongs to, nil when it belongs to none.
	AppID *int64
	// OrganizationID is the organization that the token is bound to, nil when it may see all.
	OrganizationID *int64
	// User is the columns of the logged-in user; nil when nobody is logged in.
	User map[string]any
	// EntryID and DataSourceID name the entry that the user logged in with; 0 when it is not
	// known.
	EntryID      int64
	DataSourceID int64
	// Session is what views take values from; nil means one made of the fields above.
	Session *Session
}

// Anonymous returns the caller without a token and without a user. The zero Principal is the
// same, so that one which nobody filled in may do the least.
func Anonymous() *Principal { return &Principal{} }

// IsAnonymous reports whether nobody is known: no token, no user, no admin. Trusted Go code is
// not anonymous.
func (p *Principal) IsAnonymous() bool {
	return p != nil && p.TokenID == 0 && p.User == nil && !p.Admin
}

// Unrestricted reports whether no rules apply: to trusted Go code, and to admins.
func (p *Principal) Unrestricted() bool { return p == nil || p.Admin }

// LoggedIn reports whether there is a user.
func (p *Principal) LoggedIn() bool { return p != nil && p.User != nil }

// Sees reports whether a data source of an organization exists for the caller: one that is
// bound to an organization sees the data sources of that one only.
func (p *Principal) Sees(organizationID *int64) bool {
	if p == nil || p.OrganizationID == nil {
		return true
	}
	return organizationID != nil && *organizationID == *p.OrganizationID
}

// ViewSession returns what the filters of views take values from; nil for trusted Go code.
func (p *Principal) ViewSession() *Session {
	if p == nil {
		return nil
	}
	if p.Session != nil {
		return p.Session
	}
	return &Session{EntryID: p.EntryID, DataSourceID: p.DataSourceID, User: p.User}
}
