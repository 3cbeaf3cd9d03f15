package aggregate

var objectOperators = map[string]operator{
	"$mergeObjects":  {min: 0, max: -1, fn: mergeObjects},
	"$objectToArray": {compile: compileObjectToArray},
	"$arrayToObject": {list: true, fn: arrayToObject},
	"$getField":      {compile: compileGetField},
	"$setField":      {named: "field input value", fn: setField},
	"$unsetField":    {named: "field input", fn: setField},
}

func mergeObjects(c *call, e *env, a []Value) Value {
	if len(a) == 1 && a[0].kind == Array {
		a = a[0].items()
	}
	o := newObject(8)
	for _, v := range a {
		switch {
		case v.nullish():
			continue
		case v.kind != Object:
			return c.fail(e, "takes objects, not %s", typeName(v))
		case !e.spend(c.path, v.size()*valueSize):
			return null
		}
		for k, f := range v.fields() {
			o.set(k, f)
		}
	}
	return objectOf(o)
}

// compileObjectToArray keeps the keys of an object that stands in the pipeline, even of values
// that are missing.
func compileObjectToArray(c *compiler, arg Value) expr {
	x := &call{name: "$objectToArray", path: c.at(), fn: objectToArray, args: c.positional("$objectToArray", operator{min: 1, max: 1}, arg)}
	if len(x.args) != 1 {
		return x
	}
	if o, ok := x.args[0].(*objectExpr); ok {
		return &pairs{o}
	}
	return x
}

type pairs struct{ *objectExpr }

func (x *pairs) eval(e *env) Value {
	list := make([]Value, len(x.keys))
	if !e.spend(x.path, len(list)*4*valueSize) {
		return null
	}
	for i, k := range x.keys {
		o := newObject(2)
		o.add("k", text(k))
		if v := x.vals[i].eval(e); v.kind != Missing {
			o.add("v", v)
		}
		list[i] = objectOf(o)
	}
	return arrayOf(list)
}

func objectToArray(c *call, e *env, a []Value) Value {
	switch {
	case a[0].nullish():
		return null
	case a[0].kind != Object:
		return c.fail(e, "takes an object, not %s", typeName(a[0]))
	}
	if !e.spend(c.path, a[0].size()*4*valueSize) {
		return null
	}
	list := make([]Value, 0, a[0].size())
	for k, f := range a[0].fields() {
		list = append(list, objectOf(&object{keys: []string{"k", "v"}, vals: []Value{text(k), f}}))
	}
	return c.list(e, list)
}

func arrayToObject(c *call, e *env, a []Value) Value {
	list, ok := c.array(e, a[0])
	if !ok || !e.spend(c.path, len(list)*2*valueSize) {
		return null
	}
	o := newObject(len(list))
	for _, x := range list {
		var k, v Value
		switch {
		case x.kind == Array && x.size() == 2:
			k, v = x.at(0), x.at(1)
		case x.kind == Object && x.size() == 2 && x.field("v").kind != Missing:
			k, v = x.field("k"), x.field("v")
		}
		if k.kind != String {
			return c.fail(e, "takes pairs [key, value] or {k, v}, not %s", clip(string(x.AppendJSON(nil))))
		}
		o.set(k.str, v)
	}
	return objectOf(o)
}

// compileGetField takes {field, input}, or the field alone.
func compileGetField(c *compiler, arg Value) expr {
	x := &call{name: "$getField", path: c.at(), fn: getField}
	if arg.kind == Object && arg.field("field").kind != Missing {
		x.args = c.named("$getField", "field input?", arg)
		if arg.field("input").kind == Missing && c.err == nil {
			x.args[1] = &fieldPath{at: x.path}
		}
		return x
	}
	x.args = append(c.positional("$getField", operator{min: 1, max: 1}, arg), &fieldPath{at: x.path})
	return x
}

func getField(c *call, e *env, a []Value) Value {
	switch {
	case a[0].kind != String:
		return c.fail(e, "takes a text as field, not %s", typeName(a[0]))
	case a[1].kind == Null:
		return fieldOfNull()
	}
	return a[1].field(a[0].str)
}

func setField(c *call, e *env, a []Value) Value {
	switch {
	case a[0].kind != String:
		return c.fail(e, "takes a text as field, not %s", typeName(a[0]))
	case a[1].nullish():
		return null
	case a[1].kind != Object:
		return c.fail(e, "takes an object as input, not %s", typeName(a[1]))
	case !e.spend(c.path, a[1].size()*valueSize):
		return null
	}
	var v Value
	if len(a) == 3 {
		v = a[2]
	}
	o := a[1].own()
	o.set(a[0].str, v)
	return objectOf(o)
}
