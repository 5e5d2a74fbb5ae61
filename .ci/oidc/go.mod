module github.com/seed-3826ef92/whodunit/.ci/oidc

go 1.25.0

require (
	github.com/coreos/go-oidc/v3 v3.21.0
	github.com/golang-jwt/jwt/v5 v5.3.1
	github.com/gorilla/sessions v1.4.0
	github.com/labstack/echo-contrib v0.50.1
	github.com/labstack/echo-contrib/v5 v5.0.1
	github.com/labstack/echo-jwt/v4 v4.4.0
	github.com/labstack/echo-jwt/v5 v5.0.1
	github.com/labstack/echo/v4 v4.16.0
	github.com/labstack/echo/v5 v5.4.4
	github.com/seed-3826ef92/whodunit v0.0.0
	golang.org/x/oauth2 v0.36.0
)

require github.com/MicahParks/jwkset v0.11.4 // indirect

require (
	github.com/MicahParks/keyfunc/v3 v3.9.1
	github.com/go-jose/go-jose/v4 v4.1.4 // indirect
	github.com/gorilla/context v1.1.2 // indirect
	github.com/gorilla/securecookie v1.1.2 // indirect
	github.com/labstack/gommon v0.5.0 // indirect
	github.com/mattn/go-colorable v0.1.15 // indirect
	github.com/mattn/go-isatty v0.0.24 // indirect
	github.com/valyala/bytebufferpool v1.0.0 // indirect
	github.com/valyala/fasttemplate v1.2.2 // indirect
	golang.org/x/crypto v0.55.0 // indirect
	golang.org/x/net v0.57.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
	golang.org/x/text v0.41.0 // indirect
	golang.org/x/time v0.15.0 // indirect
)

replace github.com/seed-3826ef92/whodunit => ../..
