package release

// Binary is one built executable, as it lies on the machine that built it.
type Binary struct {
	ID       string   `json:"id"` // of the build
	Platform Platform `json:"platform"`
	Name     string   `json:"name"`   // file name, with .exe on Windows
	Size     int64    `json:"size"`   // bytes
	Digest   string   `json:"digest"` // sha256:<64 hex digits>
	Path     string   `json:"-"`
	Reused   bool     `json:"-"` // an earlier run built it and nothing has changed since
}
