package siginfo

import (
	"errors"
	"fmt"
)

// gather makes one object of what is on the stack.
func (u *unpickler) gather(code byte) error {
	var items []any
	var err error
	switch code {
	case opTuple, opFrozenSet, opList, opDict:
		items, err = u.popMark()
	default:
		items, err = u.popCount(int(code) - opTuple1 + 1)
	}
	if err != nil {
		return err
	}
	switch code {
	case opDict:
		dict := map[string]any{}
		if err := fillDict(dict, items); err != nil {
			return err
		}
		return u.push(dict)
	case opList, opFrozenSet:
		return u.push(&sequence{items: items, isSet: code == opFrozenSet})
	}
	return u.push(&sequence{items: items, isTup: true})
}

// fill adds what is on top of the stack to the object below it.
func (u *unpickler) fill(code byte) error {
	var items []any
	var err error
	switch code {
	case opAppend:
		items, err = u.popCount(1)
	case opSetItem:
		items, err = u.popCount(2)
	default:
		items, err = u.popMark()
	}
	if err != nil {
		return err
	}
	if len(u.stack) == 0 {
		return errStack
	}
	switch into := u.stack[len(u.stack)-1].(type) {
	case *sequence:
		if into.isTup || into.isSet != (code == opAddItems) || code == opSetItem || code == opSetItems {
			return errors.New("an object is filled that is of another type")
		}
		into.items = append(into.items, items...)
		return nil
	case map[string]any:
		if code != opSetItem && code != opSetItems {
			return errors.New("a dict is filled like a list")
		}
		return fillDict(into, items)
	}
	return errors.New("nothing that could be filled is on the stack")
}

// fillDict sets keys and values, which are in turn.
func fillDict(into map[string]any, items []any) error {
	if len(items)%2 != 0 {
		return errors.New("a key without a value")
	}
	for i := 0; i < len(items); i += 2 {
		key, is := items[i].(string)
		if !is {
			return errors.New("a key that is no text")
		}
		into[key] = items[i+1]
	}
	return nil
}

// call knows two globals, set and frozenset, and what calling them with one
// list makes: how protocols 2 and 3 write a set.
func (u *unpickler) call(code byte) error {
	switch code {
	case opGlobal:
		module, err := u.line()
		if err != nil {
			return err
		}
		name, err := u.line()
		if err != nil {
			return err
		}
		return u.global(module, name)
	case opStackGlobal:
		names, err := u.popCount(2)
		if err != nil {
			return err
		}
		module, isText := names[0].(string)
		name, isToo := names[1].(string)
		if !isText || !isToo {
			return errors.New("a global whose name is no text")
		}
		return u.global(module, name)
	}
	return u.reduce()
}

func (u *unpickler) global(module, name string) error {
	known := (module == "builtins" || module == "__builtin__") && (name == "set" || name == "frozenset")
	if !known {
		return fmt.Errorf("global %s is not of a signature", cut(module+"."+name))
	}
	return u.push(setMaker{})
}

// cut keeps an error of foreign bytes in one short line.
func cut(s string) string {
	const most = 60
	if len(s) > most {
		s = s[:most] + "..."
	}
	return fmt.Sprintf("%q", s)
}

func (u *unpickler) reduce() error {
	operands, err := u.popCount(2)
	if err != nil {
		return err
	}
	args, isTuple := operands[1].(*sequence)
	if _, is := operands[0].(setMaker); !is || !isTuple || !args.isTup || len(args.items) > 1 {
		return errors.New("a call that is not of a signature")
	}
	set := &sequence{isSet: true}
	if len(args.items) == 1 {
		from, is := args.items[0].(*sequence)
		if !is {
			return errors.New("a set that is not made from a list")
		}
		set.items = append(set.items, from.items...)
		if u.values += len(from.items); u.values > maxValues {
			return errManyValues
		}
	}
	return u.push(set)
}
