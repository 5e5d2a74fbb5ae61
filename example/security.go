package main

import "github.com/labstack/echo/v4/middleware"

func securityHeaders() middleware.SecureConfig {
	config := middleware.DefaultSecureConfig
	config.XFrameOptions = "DENY"
	config.ReferrerPolicy = "same-origin"
	config.ContentSecurityPolicy = "default-src 'none'; style-src 'self'; img-src 'self' data:; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	return config
}
