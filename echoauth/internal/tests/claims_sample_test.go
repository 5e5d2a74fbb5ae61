package tests

import (
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// The code of jwt.md, which TestFromClaimsOfProviders and TestUUIDSubjects run on both
// versions.

func readUUID(claims jwt.MapClaims) (actor.Actor, bool, error) {
	sub, _ := claims["sub"].(string)
	id, err := uuid.Parse(sub)
	if err != nil || claims["act"] != nil { // act says who acts for the subject: see "Act as"
		return actor.Actor{}, false, echoauth.ErrBadCredential // a 401
	}
	return actor.User(id.String()), true, nil
}

// AccessClaims are what this API reads of an access token.
type AccessClaims struct {
	jwt.RegisteredClaims
	ClientID string `json:"client_id"` // RFC 9068, Cognito; Keycloak: of a service account only
	TokenUse string `json:"token_use"` // Cognito: "access" or "id"
	IDType   string `json:"idtyp"`     // Entra, as an optional claim: "app" or "user"

	Act *AccessClaims `json:"act"` // RFC 8693: who acts for the subject
}

// Issuer is one whose tokens this API takes.
type Issuer struct {
	Prefix   string // of its ids: two issuers may use one subject for two people
	IsClient func(c *AccessClaims) bool
}

// issuers says how each marks the token that a client got for itself.
var issuers = map[string]Issuer{
	"https://login.example.com":                                                   {"staff", isOwnSubject},
	"https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_EXAMPLE":               {"shop", isOwnSubject},
	"https://example.eu.auth0.com/":                                               {"partner", isAuth0Client},
	"https://keycloak.example.com/realms/main":                                    {"main", hasClientID},
	"https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0": {"office", isApp},
}

func isOwnSubject(c *AccessClaims) bool  { return c.ClientID != "" && c.Subject == c.ClientID }
func isAuth0Client(c *AccessClaims) bool { return strings.HasSuffix(c.Subject, "@clients") }
func hasClientID(c *AccessClaims) bool   { return c.ClientID != "" }
func isApp(c *AccessClaims) bool         { return c.IDType == "app" }

func readClaims(c *AccessClaims) (actor.Actor, bool, error) {
	issuer, ok := issuers[c.Issuer]
	if !ok || c.Subject == "" || c.TokenUse == "id" {
		return actor.Actor{}, false, echoauth.ErrBadCredential
	}
	who := issuer.principal(c)
	if c.Act == nil {
		return who, true, nil
	}
	if c.Act.Subject == "" || c.Act.Issuer != "" && c.Act.Issuer != c.Issuer {
		return actor.Actor{}, false, echoauth.ErrBadCredential
	}
	if c.Act.Subject == c.ClientID { // the program that got the token acts itself
		c.Act.ClientID = c.ClientID
	}
	return issuer.principal(c.Act).As(who), true, nil
}

func (i Issuer) principal(c *AccessClaims) actor.Actor {
	id := i.Prefix + ":" + c.Subject
	if i.IsClient(c) {
		return actor.Service(id)
	}
	return actor.User(id)
}
