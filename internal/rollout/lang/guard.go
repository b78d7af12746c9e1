package lang

import (
	"go.starlark.net/syntax"
)

// guard replaces what could take all memory in one step, which no limit of
// Starlark's stops: adding, repeating with *, formatting with %, and some methods. In their place stand calls of the built-ins of bounded.go, whose
// names no file can write.
func guard(tree *syntax.File) { guardAll(tree.Stmts) }

const (
	nameAdd     = "%add"
	nameTimes   = "%times"
	nameFormat  = "%format"
	nameMethod  = "%method"
	nameChecked = "%checked"
)

func guardAll(stmts []syntax.Stmt) {
	for _, stmt := range stmts {
		guardStmt(stmt)
	}
}

func guardStmt(stmt syntax.Stmt) {
	switch s := stmt.(type) {
	case *syntax.AssignStmt:
		guardTarget(s.LHS)
		s.RHS = guarded(s.RHS)
		guardAssignment(s)
	case *syntax.DefStmt:
		guardParams(s.Params)
		guardAll(s.Body)
	case *syntax.ExprStmt:
		s.X = guarded(s.X)
	case *syntax.ForStmt:
		guardTarget(s.Vars)
		s.X = guarded(s.X)
		guardAll(s.Body)
	case *syntax.IfStmt:
		s.Cond = guarded(s.Cond)
		guardAll(s.True)
		guardAll(s.False)
	case *syntax.ReturnStmt:
		if s.Result != nil {
			s.Result = guarded(s.Result)
		}
	}
}

// guardAssignment turns x += y into x += %checked("+", x, y), which is y. Where
// x has a call, which must not happen twice, it stays as it is.
func guardAssignment(s *syntax.AssignStmt) {
	op := map[syntax.Token]string{syntax.PLUS_EQ: "+", syntax.STAR_EQ: "*", syntax.PERCENT_EQ: "%"}[s.Op]
	if op == "" {
		return
	}
	if x, ok := twin(s.LHS); ok {
		literal := &syntax.Literal{Token: syntax.STRING, TokenPos: s.OpPos, Raw: `"` + op + `"`, Value: op}
		s.RHS = builtinCall(nameChecked, s.OpPos, syntax.Start(s.RHS), literal, x, s.RHS)
	}
}

// twin is another expression of the same meaning, of one without calls.
func twin(e syntax.Expr) (syntax.Expr, bool) {
	switch e := e.(type) {
	case *syntax.Ident:
		return &syntax.Ident{NamePos: e.NamePos, Name: e.Name}, true
	case *syntax.Literal:
		c := *e
		return &c, true
	case *syntax.ParenExpr:
		return twin(e.X)
	case *syntax.DotExpr:
		x, ok := twin(e.X)
		return &syntax.DotExpr{X: x, Dot: e.Dot, NamePos: e.NamePos, Name: &syntax.Ident{NamePos: e.Name.NamePos, Name: e.Name.Name}}, ok
	case *syntax.IndexExpr:
		x, okX := twin(e.X)
		y, okY := twin(e.Y)
		return &syntax.IndexExpr{X: x, Lbrack: e.Lbrack, Y: y, Rbrack: e.Rbrack}, okX && okY
	}
	return nil, false
}

// guardTarget guards the parts of what is assigned to.
func guardTarget(e syntax.Expr) {
	switch e := e.(type) {
	case *syntax.DotExpr:
		e.X = guarded(e.X)
	case *syntax.IndexExpr:
		e.X, e.Y = guarded(e.X), guarded(e.Y)
	case *syntax.ParenExpr:
		guardTarget(e.X)
	case *syntax.TupleExpr:
		for _, x := range e.List {
			guardTarget(x)
		}
	case *syntax.ListExpr:
		for _, x := range e.List {
			guardTarget(x)
		}
	}
}

// guardParams guards the defaults of parameters.
func guardParams(params []syntax.Expr) {
	for _, p := range params {
		if binary, ok := p.(*syntax.BinaryExpr); ok {
			binary.Y = guarded(binary.Y)
		}
	}
}

func guardList(list []syntax.Expr) {
	for i, x := range list {
		list[i] = guarded(x)
	}
}

// guarded is an expression in which all is replaced that must be.
func guarded(e syntax.Expr) syntax.Expr {
	switch e := e.(type) {
	case *syntax.BinaryExpr:
		return guardBinary(e)
	case *syntax.CallExpr:
		return guardCall(e)
	case *syntax.Comprehension:
		guardComprehension(e)
	case *syntax.CondExpr:
		e.Cond, e.True, e.False = guarded(e.Cond), guarded(e.True), guarded(e.False)
	case *syntax.DictEntry:
		e.Key, e.Value = guarded(e.Key), guarded(e.Value)
	case *syntax.DictExpr:
		guardList(e.List)
	case *syntax.DotExpr:
		e.X = guarded(e.X)
		if _, ok := boundedMethods[e.Name.Name]; ok {
			name := &syntax.Literal{Token: syntax.STRING, TokenPos: e.NamePos, Raw: `"` + e.Name.Name + `"`, Value: e.Name.Name}
			return builtinCall(nameMethod, e.Dot, syntax.Start(e.X), e.X, name)
		}
	case *syntax.IndexExpr:
		e.X, e.Y = guarded(e.X), guarded(e.Y)
	case *syntax.LambdaExpr:
		guardParams(e.Params)
		e.Body = guarded(e.Body)
	case *syntax.ListExpr:
		guardList(e.List)
	case *syntax.ParenExpr:
		e.X = guarded(e.X)
	case *syntax.SliceExpr:
		e.X = guarded(e.X)
		for _, x := range []*syntax.Expr{&e.Lo, &e.Hi, &e.Step} {
			if *x != nil {
				*x = guarded(*x)
			}
		}
	case *syntax.TupleExpr:
		guardList(e.List)
	case *syntax.UnaryExpr:
		if e.X != nil { // a bare * has none
			e.X = guarded(e.X)
		}
	}
	return e
}

func guardBinary(e *syntax.BinaryExpr) syntax.Expr {
	start := syntax.Start(e)
	e.X, e.Y = guarded(e.X), guarded(e.Y)
	switch e.Op {
	case syntax.PLUS:
		return builtinCall(nameAdd, e.OpPos, start, e.X, e.Y)
	case syntax.STAR:
		return builtinCall(nameTimes, e.OpPos, start, e.X, e.Y)
	case syntax.PERCENT:
		return builtinCall(nameFormat, e.OpPos, start, e.X, e.Y)
	}
	return e
}

func guardCall(e *syntax.CallExpr) syntax.Expr {
	e.Fn = guarded(e.Fn)
	for i, arg := range e.Args {
		switch a := arg.(type) {
		case *syntax.BinaryExpr:
			if a.Op == syntax.EQ { // name=value
				a.Y = guarded(a.Y)
				continue
			}
		case *syntax.UnaryExpr:
			if (a.Op == syntax.STAR || a.Op == syntax.STARSTAR) && a.X != nil {
				a.X = guarded(a.X)
				continue
			}
		}
		e.Args[i] = guarded(arg)
	}
	return e
}

func guardComprehension(e *syntax.Comprehension) {
	e.Body = guarded(e.Body)
	for _, clause := range e.Clauses {
		switch c := clause.(type) {
		case *syntax.ForClause:
			guardTarget(c.Vars)
			c.X = guarded(c.X)
		case *syntax.IfClause:
			c.Cond = guarded(c.Cond)
		}
	}
}

// builtinCall is a call at the place of the operator that it stands for.
func builtinCall(name string, at, start syntax.Position, args ...syntax.Expr) syntax.Expr {
	return &syntax.CallExpr{Fn: &syntax.Ident{NamePos: start, Name: name}, Lparen: at, Args: args, Rparen: at}
}
