// Package index turns entries into the ordered keys of an index, and knows nothing of where
// they are kept.
//
// A key is one byte for its family and what follows from one value, or from one value of each
// field:
//
//	0x00 values   the document.AppendKey of each field, inverted where a field descends, so
//	              that without arrays keys sort as entries do by that order; of an index that
//	              ignores case, of the folded text
//	0x01 numbers  the key of the number that both == and < see in a text of the first field
//	0x02 grams    three code points of the folded text
//	0x03 loose    the number that only == sees in a text, such as 0 in ""
//	0x04 ordered  the number that only < sees in a text, such as the time of a date
//	0x05 overflow nothing: the entry has too many keys, and every look-up proposes it
//
// An array has a key of its own and one for each of its elements, at any depth; what a path
// through arrays leads to likewise. Null and absent share a key, which a path that leads
// nowhere gives as well. No key is the beginning of another, so that an entry's id can follow.
// Files hold keys, so their form never changes.
package index
