package site

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/html"

	"github.com/slipway-dev/slipway/internal/proc"
	"github.com/slipway-dev/slipway/internal/realtest"
)

// looker is a page of the test's own, from the same server, that looks into
// frames as narrow as a phone. In a sandbox without allow-scripts no script of
// the page runs.
const looker = `<!doctype html><meta charset=utf-8><body><script>
const results = {};
const look = (name, path, scripts) => {
  const f = document.createElement('iframe');
  f.width = 360; f.height = 800;
  f.sandbox = 'allow-same-origin' + (scripts ? ' allow-scripts' : '');
  f.onload = () => {
    const w = f.contentWindow, d = f.contentDocument, root = d.documentElement;
    for (const all of d.querySelectorAll('details')) all.open = true;
    const hero = d.querySelector('.hero');
    results[name] = {
      overflow: root.scrollWidth - root.clientWidth,
      beyond: [...d.querySelectorAll('body *')].filter(e => !e.closest('.skip, .spoken, .sum, pre, .text table') && e.getBoundingClientRect().right > 361).map(e => e.tagName + '.' + e.className),
      loaded: w.performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith('data:')),
      buttons: d.querySelectorAll('button').length,
      sums: d.querySelectorAll('code.sum, code.pull').length,
      styled: w.getComputedStyle(d.querySelector('h1')).marginTop === '0px',
      scripted: w.alerted === undefined && d.querySelectorAll('script').length,
      hero: hero ? hero.innerText : '',
    };
    if (Object.keys(results).length === wanted) {
      const out = document.createElement('pre');
      out.id = 'results';
      out.textContent = JSON.stringify(results);
      document.body.append(out);
    }
  };
  f.src = path;
  document.body.append(f);
};
const wanted = PATHS.length * 2;
for (const path of PATHS) { look(path, path, true); look(path + ' without scripts', path, false); }
</script>`

// looked is what the looker saw.
type looked struct {
	Overflow      float64
	Beyond        []string
	Loaded        []string
	Buttons, Sums int
	Styled        bool
	Scripted      int
	Hero          string
}

// In a browser, with scripts and without, pages fit on a phone, ask no host for
// anything, and their own style and script are let through by their policy.
func TestBrowser(t *testing.T) {
	t.Parallel()
	chromium := realtest.Program(t, "chromium", "chromium")
	files := map[string][]byte{}
	var paths []string
	for name, pages := range map[string]map[string]Page{
		"sample":  allPages(t, sampleSite(), NewIndex(sampleReleases()...)),
		"empty":   allPages(t, sampleSite(), &Index{}),
		"hostile": allPages(t, hostileSite(), NewIndex(hostileReleases()...)),
		"many":    allPages(t, sampleSite(), NewIndex(many(60)...)),
	} {
		for key, p := range pages {
			files["/"+name+"/"+key] = p.Content
			if p.Type == TypeHTML && (name != "many" || strings.Contains(key, "stable-")) {
				paths = append(paths, "/"+name+"/"+key)
			}
		}
	}
	slices.Sort(paths)
	results := look(t, chromium, files, paths)
	for name, r := range results {
		scripts := !strings.HasSuffix(name, "without scripts")
		switch {
		case r.Overflow > 0 || len(r.Beyond) > 0:
			t.Errorf("%s: %.0f pixels stand out: %q", name, r.Overflow, r.Beyond)
		case len(r.Loaded) > 0:
			t.Errorf("%s loads %q", name, r.Loaded)
		case !r.Styled:
			t.Errorf("%s: its policy keeps its style out", name)
		case scripts && r.Buttons != r.Sums || !scripts && r.Buttons != 0:
			t.Errorf("%s: %d checksums have %d buttons", name, r.Sums, r.Buttons)
		case r.Scripted != 1:
			t.Errorf("%s has %d scripts", name, r.Scripted)
		case strings.HasPrefix(name, "/sample/") && !strings.Contains(r.Hero, "v1.2.3"):
			t.Errorf("%s shows %q first", name, r.Hero)
		}
	}
	if len(results) != 2*len(paths) {
		t.Errorf("%d of %d pages were looked at", len(results), 2*len(paths))
	}
}

// look has the browser look at pages, and fails when it asks the server for more
// than those.
func look(t *testing.T, chromium string, files map[string][]byte, paths []string) map[string]looked {
	t.Helper()
	list, err := json.Marshal(paths)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var strangers []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, has := files[r.URL.Path]
		switch {
		case r.URL.Path == "/look":
			content = []byte(strings.ReplaceAll(looker, "PATHS", string(list)))
		case r.URL.Path == "/favicon.ico": // of the looker, which has none
		case !has && !strings.Contains(r.Host, "google"): // whom the browser itself asks
			mu.Lock()
			strangers = append(strangers, r.Host+r.URL.Path)
			mu.Unlock()
		}
		w.Header().Set("Content-Type", map[bool]string{true: TypeHTML, false: TypeAtom}[path.Ext(r.URL.Path) != ".atom"])
		_, _ = w.Write(content)
	}))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	out, err := proc.Output(t.Context(), proc.Cmd{Args: []string{chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--user-data-dir=" + t.TempDir(),
		// Every other host, too, is this server: it would see what is asked of one.
		"--proxy-server=" + address, "--proxy-bypass-list=<-loopback>", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
		"--dump-dom", server.URL + "/look"}})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := html.Parse(strings.NewReader(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	results := map[string]looked{}
	for n := range doc.Descendants() {
		if n.Data == "pre" && n.FirstChild != nil {
			if err := json.Unmarshal([]byte(n.FirstChild.Data), &results); err != nil {
				t.Fatal(err)
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(strangers) > 0 {
		t.Errorf("the browser asks for %q", strangers)
	}
	return results
}
