package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/labstack/echo/v5"
	"golang.org/x/crypto/bcrypt"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/seed-3826ef92/whodunit/echoauth/v5"
	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

type User struct {
	ID                      uuid.UUID `gorm:"type:uuid"`
	gormaudit.By[uuid.UUID]           // created_by, updated_by
	Name                    string    `gorm:"uniqueIndex"`
	Role                    string    // admin, support or customer; an account without a role is closed
	PasswordHash            string    `gorm:"history:redact"`
}

const signInPage = `<!doctype html><title>Sign in</title>
<form method="post"><input name="name"> <input name="password" type="password"> <button>Sign in</button></form>`

// seed creates the accounts, unless they are there.
func seed(db *gorm.DB) error {
	hash, err := bcrypt.GenerateFromPassword([]byte("swordfish"), bcrypt.DefaultCost)
	if err != nil {
		return err
	}
	users := []User{
		{ID: uuid.UUID{15: 1}, Name: "ada", Role: "admin"},
		{ID: uuid.UUID{15: 2}, Name: "sam", Role: "support"},
		{ID: uuid.UUID{15: 3}, Name: "carol", Role: "customer"},
		{ID: uuid.UUID{15: 4}, Name: "dave", Role: "customer"},
	}
	for i := range users {
		users[i].PasswordHash = string(hash)
	}
	return db.Clauses(clause.OnConflict{DoNothing: true}).Create(&users).Error
}

type accounts struct {
	db  *gorm.DB
	key []byte // signs tokens
}

// find returns the account whose column has a value, or ErrAnonymous if there is none, or if it is closed.
func (a accounts) find(ctx context.Context, column, value string) (*User, error) {
	var user User
	found := a.db.WithContext(ctx).Where(map[string]any{column: value}).Limit(1).Find(&user, "role <> ''")
	if found.Error == nil && found.RowsAffected == 0 {
		return nil, echoauth.ErrAnonymous
	}
	return &user, found.Error
}

// middleware finds out who makes a request. Each request reads the account, so a change of it counts at once.
func (a accounts) middleware() echo.MiddlewareFunc {
	return echoauth.MiddlewareWithConfig(echoauth.Config{
		SessionLifetime: 8 * time.Hour,
		Load:            func(ctx context.Context, who actor.Actor) (any, error) { return a.find(ctx, "id", who.ID) },
		SessionStamp: func(ctx context.Context, who actor.Actor) (string, error) {
			user, err := a.find(ctx, "id", who.ID)
			if err != nil {
				return "", err
			}
			return user.PasswordHash, nil // a new password ends sessions. sessions.md says how a sign-out ends all
		},
		MayImpersonate: func(ctx context.Context, who actor.Actor) (bool, error) {
			target, err := a.find(ctx, "id", who.ID)
			if err != nil {
				return false, err
			}
			real, err := a.find(ctx, "id", who.Impersonator.ID)
			return err == nil && real.Role == "support" && target.Role == "customer", err
		},
	})
}

// only lets those pass whose account has one of the roles. While somebody acts as another, it asks for the
// other's role.
func only(roles ...string) echo.MiddlewareFunc {
	return echoauth.RequireFunc(func(c *echo.Context, _ actor.Actor) (bool, error) {
		user, err := echoauth.User[*User](c.Request().Context())
		return err == nil && slices.Contains(roles, user.Role), err
	})
}

// themselves keeps out whoever acts as somebody else, whatever MayImpersonate allows.
var themselves = echoauth.RequireFunc(func(_ *echo.Context, who actor.Actor) (bool, error) {
	return who.Impersonator.IsAnonymous(), nil
})

// authenticate compares a password. In your program, limit how often somebody may try.
func (a accounts) authenticate(c *echo.Context) (actor.Actor, error) {
	user, err := a.find(c.Request().Context(), "name", c.FormValue("name"))
	if errors.Is(err, echoauth.ErrAnonymous) { // takes as long as a wrong password
		user, err = &User{PasswordHash: "$2a$10$DUcun4//WAumn6tqjDmn/uDdlTD2YhcKRC4jLpub62ISBmYXpz9o."}, nil
	}
	if err != nil {
		return actor.Actor{}, err
	}
	if bcrypt.CompareHashAndPassword([]byte(user.PasswordHash), []byte(c.FormValue("password"))) != nil {
		return actor.Actor{}, echo.NewHTTPError(http.StatusUnauthorized, "wrong name or password")
	}
	return actor.User(user.ID.String()), nil
}

func (a accounts) postToken(c *echo.Context) error {
	who, err := a.authenticate(c)
	if err != nil {
		return err
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{
		Subject: who.ID, ExpiresAt: jwt.NewNumericDate(time.Now().Add(15 * time.Minute)),
	}).SignedString(a.key)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]string{"token": token})
}

func (a accounts) signIn(c *echo.Context) error {
	who, err := a.authenticate(c)
	if err == nil {
		err = echoauth.Login(c, who)
	}
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, echoauth.SafeNext(c.FormValue("next")))
}

func (a accounts) actAs(c *echo.Context) error {
	id, err := echo.PathParam[uuid.UUID](c, "id")
	if err != nil {
		return err
	}
	return echoauth.Impersonate(c, actor.User(id.String())) // as the row spells it
}

// names are those of users, for the page. An id in the history may be any text.
func (a accounts) names(ctx context.Context, ids []string) (map[string]string, error) {
	var keys []uuid.UUID
	for _, id := range ids {
		if key, err := uuid.Parse(id); err == nil {
			keys = append(keys, key)
		}
	}
	var users []User
	err := a.db.WithContext(ctx).Find(&users, "id IN ?", keys).Error
	names := map[string]string{}
	for _, user := range users {
		names[user.ID.String()] = user.Name
	}
	return names, err
}
