package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	_ "net/http/pprof" // on http.DefaultServeMux, which only DEBUG_ADDR serves
	"os"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/seed-3826ef92/whodunit/echoauth"
)

// listen takes the port before anything else happens: that it is taken is the
// likeliest thing to go wrong.
func listen(addr string) (net.Listener, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w (ADDR=127.0.0.1:8081 chooses another)", err)
	}
	return listener, nil
}

// announce says where to point the browser and who can sign in.
func announce(out io.Writer, addr net.Addr, config config) {
	host, port, _ := net.SplitHostPort(addr.String())
	ip := net.ParseIP(host)
	if ip.IsUnspecified() || ip.IsLoopback() {
		host = "localhost"
	}
	_, _ = fmt.Fprintf(out, "Notes are at http://%s\n", net.JoinHostPort(host, port))
	switch {
	case config.scheme() == "https":
		_, _ = fmt.Fprintf(out, "People reach them at %s. Over plain http nobody stays signed in.\n", config.publicURL)
	case !ip.IsLoopback():
		_, _ = fmt.Fprintln(out, "This is plain http, which others in the network can read. PUBLIC_URL=https://... behind a proxy ends that.")
	}
	_, _ = fmt.Fprintf(out, "Sign in as alice (admin), bob or carol. Their first password is %q.\n", seedPassword)
}

// serve serves until ctx is done, and lets running requests finish then.
func serve(ctx context.Context, listener net.Listener, handler http.Handler, debugAddr string) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	if err := serveDebug(debugAddr); err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("shut down: %w", err)
	}
	return nil
}

func serveDebug(addr string) error {
	if addr == "" {
		return nil
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("DEBUG_ADDR: %w", err)
	}
	server := &http.Server{Handler: http.DefaultServeMux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	return nil
}

// logRequests writes a line for each request, and who it was.
func logRequests() echo.MiddlewareFunc {
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	return middleware.RequestLoggerWithConfig(middleware.RequestLoggerConfig{
		LogMethod: true, LogURIPath: true, LogStatus: true, LogLatency: true, LogError: true, HandleError: true,
		LogValuesFunc: func(c echo.Context, v middleware.RequestLoggerValues) error {
			attrs := []slog.Attr{
				slog.String("method", v.Method),
				slog.String("path", v.URIPath),
				slog.Int("status", v.Status),
				slog.Duration("took", v.Latency),
				slog.Any("actor", echoauth.Current(c)),
			}
			level := slog.LevelInfo
			if v.Status >= http.StatusInternalServerError {
				level = slog.LevelError
				attrs = append(attrs, slog.Any("error", v.Error))
			}
			logger.LogAttrs(c.Request().Context(), level, "request", attrs...)
			return nil
		},
	})
}
