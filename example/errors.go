package main

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/echoauth"
)

// problem is what the error page shows.
type problem struct {
	Title  string
	Advice string
	Draft  *draft // what was sent, so that it is not lost
	Resend bool   // whether sending it again may help
}

// problems are what people read about the statuses they may meet.
var problems = map[int]problem{
	http.StatusForbidden:             {Title: "Not for you", Advice: "Your account can't do this. An admin can."},
	http.StatusNotFound:              {Title: "Nothing here", Advice: "There is no such page or note. It may be in the trash."},
	http.StatusMethodNotAllowed:      {Title: "Nothing here", Advice: "This address answers other requests."},
	http.StatusConflict:              {Title: "Somebody was faster", Advice: "Have a look at how it is now."},
	http.StatusRequestEntityTooLarge: {Title: "Too long", Advice: "At most a megabyte can be sent at once."},
	http.StatusTooManyRequests:       {Title: "Not so fast"},
	http.StatusInternalServerError:   {Title: "That went wrong", Advice: "The error is in the server's log. Nothing was changed."},
	http.StatusServiceUnavailable:    {Title: "Not just now", Advice: "The database does not answer. Nothing was changed. Try again in a moment.", Resend: true},
}

// showError answers a request that failed: programs get JSON, people a page.
func (a *app) showError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	failure := a.classify(c, err)
	var writeErr error
	switch {
	case isAPI(c):
		writeErr = c.JSON(failure.Code, echo.Map{"error": failure.Message})
	case failure.Code == http.StatusUnauthorized:
		writeErr = a.askToSignIn(c)
	default:
		writeErr = a.showProblem(c, failure)
	}
	if writeErr != nil {
		slog.ErrorContext(c.Request().Context(), "answer with an error", "error", writeErr)
	}
}

// classify gives every error its status. What is no HTTP error and no missing
// row is the server's fault: its database is gone, or it has a bug.
func (a *app) classify(c echo.Context, err error) *echo.HTTPError {
	var failure *echo.HTTPError
	switch {
	case errors.Is(err, echoauth.ErrMayNotImpersonate): // before the next: echoauth's middleware makes one of it
		return echo.NewHTTPError(http.StatusForbidden, "You may not act as this person any more. You are signed in as yourself.").WithInternal(err)
	case errors.As(err, &failure):
		return failure
	case errors.Is(err, gorm.ErrRecordNotFound):
		return echo.NewHTTPError(http.StatusNotFound)
	case errors.Is(err, errOtherSite):
		return echo.NewHTTPError(http.StatusForbidden, "Another site sent this. Do it here, if it was you.").WithInternal(err)
	case errors.Is(err, errWrongPassword):
		return echo.NewHTTPError(http.StatusUnauthorized, "This name and this password don't belong together.")
	case errors.Is(err, errTooManyTries):
		return later(c, http.StatusTooManyRequests, "There were too many tries. Wait a minute, then try again.")
	case errors.Is(err, errBusy):
		return later(c, http.StatusServiceUnavailable, "There is too much to do just now. Nothing was changed. Try again in a moment.")
	case errors.Is(err, errConflict):
		return echo.NewHTTPError(http.StatusConflict, err.Error())
	case errors.Is(err, echoauth.ErrImpersonating), errors.Is(err, echoauth.ErrNotImpersonating):
		return echo.NewHTTPError(http.StatusConflict)
	case !answers(c.Request().Context(), a.db):
		return echo.NewHTTPError(http.StatusServiceUnavailable)
	}
	return echo.NewHTTPError(http.StatusInternalServerError)
}

// later is an error that is over in some seconds.
func later(c echo.Context, status int, message string) *echo.HTTPError {
	c.Response().Header().Set(echo.HeaderRetryAfter, "10")
	return echo.NewHTTPError(status, message)
}

// askToSignIn answers a request whose session has ended with the sign-in page.
// What it sent goes along, and can be sent again afterwards. The way leads back to
// the page that was asked for.
func (a *app) askToSignIn(c echo.Context) error {
	next := "/"
	if method := c.Request().Method; method == http.MethodGet || method == http.MethodHead {
		next = echoauth.SafeNext(c.Request().URL.RequestURI())
	}
	return a.render(c, http.StatusUnauthorized, "signin", "Sign in", signInForm{
		Next:    next,
		Problem: "Your session has ended. Sign in, and nothing you wrote is lost.",
		Draft:   draftOf(c),
	})
}

func (a *app) showProblem(c echo.Context, failure *echo.HTTPError) error {
	p, ok := problems[failure.Code]
	if !ok {
		p = problem{Title: http.StatusText(failure.Code), Advice: "The request can't be answered."}
	}
	if advice, ok := failure.Message.(string); ok && advice != http.StatusText(failure.Code) {
		p.Advice = advice
	}
	if !errors.Is(failure, errOtherSite) { // whose words are no draft of the visitor's
		p.Draft = draftOf(c)
	}
	return a.render(c, failure.Code, "problem", p.Title, p)
}
