package publish

import (
	"path"
	"strings"
)

// MediaType is what a file is served as, told from its name; what is not known is
// application/octet-stream, which browsers save.
func MediaType(key string) string {
	if t, ok := mediaTypes[strings.ToLower(path.Ext(key))]; ok {
		return t
	}
	return "application/octet-stream"
}

var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".htm": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
	".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8", ".wasm": "application/wasm",
	".json": "application/json", ".atom": "application/atom+xml", ".xml": "application/xml", ".map": "application/json",
	".txt": "text/plain; charset=utf-8", ".md": "text/markdown; charset=utf-8", ".sh": "text/x-shellscript; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp",
	".ico": "image/x-icon", ".woff": "font/woff", ".woff2": "font/woff2", ".pdf": "application/pdf",
	".gz": "application/gzip", ".zst": "application/zstd", ".zip": "application/zip", ".tar": "application/x-tar",
	".deb": "application/vnd.debian.binary-package", ".rpm": "application/x-rpm",
}
