package forgetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/forge"
)

var talkPromises = []promise{
	{"self is who comments with the token", testSelf},
	{"permission tells what somebody may do", testPermission},
	{"a team has its members only", testTeam},
	{"comments are listed with all that is known", testComments},
	{"comments are listed to the last page, from a time on", testCommentPages},
	{"comments at a place are that place's", testCommentsAt},
	{"a changed comment says so", testEdited},
	{"texts of comments are kept to the letter", testCommentTexts},
	{"one reaction of the bot's stands at a time", testReactions},
	{"what is not there is not found", testTalkNotFound},
	{"an empty comment is refused", testEmptyComment},
	{"tokens without the right are told so", testTalkTokens},
	{"a context that has ended stops it", testTalkEnded},
}

func (s BotSubject) talk(t *testing.T) forge.Talk { return must[forge.Talk](t, s.Forge) }

func (s BotSubject) comment(t *testing.T, at forge.Place, body string) forge.PostedComment {
	t.Helper()
	c, err := s.talk(t).CreateComment(t.Context(), at, body)
	if err != nil {
		t.Fatalf("CreateComment(%+v): %v", at, err)
	}
	return c
}

func testSelf(t *testing.T, s BotSubject) {
	self, err := s.talk(t).Self(t.Context())
	if err != nil || self != s.Self {
		t.Fatalf("Self = %q, %v; want %q", self, err, s.Self)
	}
	if c := s.comment(t, forge.Place{Issue: s.OpenIssue(t)}, "hello"); c.Author != self {
		t.Errorf("the comment is by %q, Self is %q", c.Author, self)
	}
}

func testPermission(t *testing.T, s BotSubject) {
	ask := func(login string, want forge.Permission) {
		t.Helper()
		if got, err := s.talk(t).Permission(t.Context(), login); err != nil || got != want {
			t.Errorf("Permission(%q) = %v, %v; want %v", login, got, err, want)
		}
	}
	wanted := []forge.Permission{forge.MayRead, forge.MayWrite, forge.MayAdmin}
	if s.Traits.FinePermissions {
		wanted = append(wanted, forge.MayTriage, forge.MayMaintain)
	}
	for _, p := range wanted {
		login := s.AddUser(t, p)
		ask(login, p)
		ask(strings.ToUpper(login), p)
	}
	ask(s.AddUser(t, forge.NoAccess), forge.MayRead) // the repository is public
	ask("nobody-has-this-name", forge.NoAccess)
	ask("..", forge.NoAccess)
	ask("a/b?c", forge.NoAccess)
	ask("", forge.NoAccess)
	ask(s.Self, forge.MayAdmin)
}

func testTeam(t *testing.T, s BotSubject) {
	in, out := s.AddUser(t, forge.MayWrite), s.AddUser(t, forge.MayWrite)
	team := s.AddTeam(t, in)
	org, name, _ := strings.Cut(team, "/")
	for _, tt := range []struct {
		team, login string
		want        bool
	}{
		{team, in, true},
		{team, strings.ToUpper(in), true},
		{team, out, false},
		{team, "nobody-has-this-name", false},
		{org + "/no-such-team", in, false},
		{org + "/" + name[:len(name)-1], in, false},
		{"no-such-org/" + name, in, false},
		{name, in, false},
		{"", in, false},
		{team, "", false},
		{"../" + team, "a/../b", false},
	} {
		if got, err := s.talk(t).InTeam(t.Context(), tt.team, tt.login); err != nil || got != tt.want {
			t.Errorf("InTeam(%q, %q) = %v, %v; want %v", tt.team, tt.login, got, err, tt.want)
		}
	}
}

// places are an issue, a pull request and, where that can be, a commit.
func (s BotSubject) places(t *testing.T) []forge.Place {
	t.Helper()
	pull, _ := s.OpenPull(t)
	out := []forge.Place{{Issue: s.OpenIssue(t)}, {Issue: pull, OnPullRequest: true}}
	if s.Traits.CommitComments {
		out = append(out, forge.Place{Commit: s.Tags["v1.0.0"]})
	}
	return out
}

func testComments(t *testing.T, s BotSubject) {
	began := time.Now().Add(-time.Minute)
	var want []forge.PostedComment
	for i, at := range s.places(t) {
		body := fmt.Sprintf("comment %d", i)
		want = append(want, forge.PostedComment{ID: s.Comment(t, at, body), Place: at, Body: body})
	}
	got, err := s.talk(t).Comments(t.Context(), began)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range got {
		if !strings.HasPrefix(c.URL, "http") || c.CreatedAt.Before(began) || c.Author == "" || c.ByBot {
			t.Errorf("comment %+v: want a person's, with an address and a time", c)
		}
		got[i].URL, got[i].CreatedAt, got[i].Author = "", time.Time{}, ""
	}
	if d := cmp.Diff(byID(want), byID(got)); d != "" {
		t.Errorf("Comments (-want +got):\n%s", d)
	}
	if got, err := s.talk(t).Comments(t.Context(), time.Time{}); err != nil || len(got) != len(want) {
		t.Errorf("from the beginning on there are %d comments, %v; want %d", len(got), err, len(want))
	}
	if got, err := s.talk(t).Comments(t.Context(), time.Now().Add(time.Hour)); err != nil || len(got) != 0 {
		t.Errorf("in an hour there are %+v, %v; want none", got, err)
	}
}

func byID(list []forge.PostedComment) []forge.PostedComment {
	return slices.SortedFunc(slices.Values(list), func(a, b forge.PostedComment) int { return strings.Compare(a.ID, b.ID) })
}

func testCommentPages(t *testing.T, s BotSubject) {
	at := forge.Place{Issue: s.OpenIssue(t)}
	n := s.Traits.PageSize + 5
	want := map[string]bool{}
	for i := range n {
		want[s.Comment(t, at, fmt.Sprint("comment ", i))] = true
	}
	all, err := s.talk(t).Comments(t.Context(), time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	there, err := s.talk(t).CommentsAt(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	for what, list := range map[string][]forge.PostedComment{"Comments": all, "CommentsAt": there} {
		seen := map[string]bool{}
		for i, c := range list {
			seen[c.ID] = true
			if i > 0 && c.CreatedAt.Before(list[i-1].CreatedAt) {
				t.Errorf("%s: %s comes after a newer one", what, c.Body)
			}
		}
		if len(list) != n || !cmp.Equal(seen, want) {
			t.Errorf("%s lists %d comments, %d of them once; want %d", what, len(list), len(seen), n)
		}
	}
}

func testCommentsAt(t *testing.T, s BotSubject) {
	for i, at := range s.places(t) {
		if got, err := s.talk(t).CommentsAt(t.Context(), at); err != nil || len(got) != 0 {
			t.Errorf("CommentsAt(%+v) = %+v, %v; want none", at, got, err)
		}
		theirs, ours := s.Comment(t, at, "theirs"), s.comment(t, at, "ours")
		if ours.Place != at || ours.Body != "ours" || ours.URL == "" || ours.CreatedAt.IsZero() || ours.Edited {
			t.Errorf("CreateComment gives %+v", ours)
		}
		got, err := s.talk(t).CommentsAt(t.Context(), at)
		if err != nil || len(got) != 2 || got[0].ID != theirs || got[1] != ours {
			t.Errorf("place %d: CommentsAt = %+v, %v; want %s and %+v", i, got, err, theirs, ours)
		}
	}
}

func testEdited(t *testing.T, s BotSubject) {
	at := forge.Place{Issue: s.OpenIssue(t)}
	theirs, ours := s.Comment(t, at, "theirs"), s.comment(t, at, "ours")
	time.Sleep(2100 * time.Millisecond) // the forges' times are whole seconds
	since := time.Now().Add(-time.Second)
	s.EditComment(t, at, theirs, "theirs, changed")
	if err := s.talk(t).EditComment(t.Context(), at, ours.ID, "ours, changed"); err != nil {
		t.Fatal(err)
	}
	got, err := s.talk(t).Comments(t.Context(), since)
	if err != nil || len(got) != 2 {
		t.Fatalf("since the changes there are %+v, %v; want both", got, err)
	}
	for i, want := range []string{"theirs, changed", "ours, changed"} {
		if !got[i].Edited || got[i].Body != want {
			t.Errorf("comment %+v: want %q, edited", got[i], want)
		}
	}
	if got[1].Author != ours.Author || !got[1].CreatedAt.Equal(ours.CreatedAt) {
		t.Errorf("the change made %+v of %+v", got[1], ours)
	}
	if err := s.talk(t).EditComment(t.Context(), at, ours.ID, "ours, changed"); err != nil {
		t.Errorf("the same change again: %v", err)
	}
}

func testCommentTexts(t *testing.T, s BotSubject) {
	at := forge.Place{Issue: s.OpenIssue(t)}
	for _, body := range []string{
		"/promote v1.4.0\nthanks!", "a\ttab, \"quotes\", <b>html</b> & `code`", "Grüße, 世界 🚀", strings.Repeat("0123456789abcde\n", 4000) + "end",
	} {
		s.comment(t, at, body)
		list, err := s.talk(t).CommentsAt(t.Context(), at)
		if err != nil || len(list) == 0 {
			t.Fatalf("CommentsAt: %+v, %v", list, err)
		}
		if got := list[len(list)-1].Body; got != body {
			t.Errorf("%.40q… came back as %.40q…", body, got)
		}
	}
}

func testReactions(t *testing.T, s BotSubject) {
	for _, at := range s.places(t) {
		id := s.Comment(t, at, "/promote")
		other := s.Sign(t, at, id, "eyes")
		for _, r := range []forge.Reaction{forge.Eyes, forge.Rocket, forge.Rocket, forge.Confused} {
			if err := s.talk(t).React(t.Context(), at, id, r); err != nil {
				t.Fatalf("React(%s): %v", r, err)
			}
			want := []string{s.Self + " " + string(r), other + " eyes"}
			slices.Sort(want)
			if d := cmp.Diff(want, s.Signs(t, at, id)); d != "" {
				t.Errorf("after React(%s) (-want +got):\n%s", r, d)
			}
		}
	}
}

func testTalkNotFound(t *testing.T, s BotSubject) {
	ctx, talk := t.Context(), s.talk(t)
	issue := s.OpenIssue(t)
	at := forge.Place{Issue: issue}
	none := forge.Place{Issue: issue + 1000}
	_, listErr := talk.CommentsAt(ctx, none)
	_, makeErr := talk.CreateComment(ctx, none, "hello")
	for what, err := range map[string]error{
		"EditComment": talk.EditComment(ctx, at, "987654321", "text"), "React": talk.React(ctx, at, "987654321", forge.Eyes),
		"EditComment of a bad id": talk.EditComment(ctx, at, "../1", "text"), "React to a bad id": talk.React(ctx, at, "x", forge.Eyes),
		"CommentsAt": listErr, "CreateComment": makeErr,
	} {
		wantErr(t, what, err, forge.ErrNotFound)
		certain(t, what, err)
	}
	if !s.Traits.CommitComments {
		_, err := talk.CreateComment(ctx, forge.Place{Commit: s.Tags["v1.0.0"]}, "hello")
		wantErr(t, "CreateComment on a commit", err, forge.ErrRejected)
		if list, err := talk.CommentsAt(ctx, forge.Place{Commit: s.Tags["v1.0.0"]}); err != nil || len(list) != 0 {
			t.Errorf("CommentsAt of a commit = %+v, %v; want none", list, err)
		}
	}
}

func testEmptyComment(t *testing.T, s BotSubject) {
	at := forge.Place{Issue: s.OpenIssue(t)}
	_, err := s.talk(t).CreateComment(t.Context(), at, "")
	wantErr(t, "CreateComment", err, forge.ErrRejected)
	certain(t, "CreateComment", err)
}

func testTalkTokens(t *testing.T, s BotSubject) {
	at := forge.Place{Issue: s.OpenIssue(t)}
	id := s.Comment(t, at, "hello")
	for _, tt := range []struct {
		who  string
		talk forge.Talk
		want error
	}{
		{"read-only", must[forge.Talk](t, s.ReadOnly), forge.ErrForbidden},
		{"bad token", must[forge.Talk](t, s.BadToken), forge.ErrUnauthorized},
	} {
		_, err := tt.talk.CreateComment(t.Context(), at, "hello")
		for what, err := range map[string]error{
			"CreateComment": err, "EditComment": tt.talk.EditComment(t.Context(), at, id, "mine"),
			"React": tt.talk.React(t.Context(), at, id, forge.Eyes),
		} {
			wantErr(t, tt.who+": "+what, err, tt.want)
			certain(t, tt.who+": "+what, err)
		}
	}
	_, err := must[forge.Talk](t, s.BadToken).Comments(t.Context(), time.Time{})
	wantErr(t, "bad token: Comments", err, forge.ErrUnauthorized)
	_, err = must[forge.Talk](t, s.BadToken).Self(t.Context())
	wantErr(t, "bad token: Self", err, forge.ErrUnauthorized)
	list, err := must[forge.Talk](t, s.ReadOnly).CommentsAt(t.Context(), at)
	if err != nil || len(list) != 1 || list[0].Body != "hello" {
		t.Errorf("the read token sees %+v, %v", list, err)
	}
}

func testTalkEnded(t *testing.T, s BotSubject) {
	talk, at, ctx := s.talk(t), forge.Place{Issue: s.OpenIssue(t)}, ended()
	_, err := talk.CreateComment(ctx, at, "never")
	if err == nil {
		t.Error("CreateComment went on")
	}
	if _, err := talk.Comments(ctx, time.Time{}); err == nil {
		t.Error("Comments went on")
	}
	if list, err := talk.CommentsAt(t.Context(), at); err != nil || len(list) != 0 {
		t.Errorf("there are %+v, %v; want none", list, err)
	}
}
