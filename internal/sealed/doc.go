// Package sealed encrypts the content of data sources in a storage (spec 14.1), below
// everything that reads and writes it: entries, images, versions, names, lists of
// columns, definitions, heads and what hooks have to send pass through here, and whoever
// is above sees them as if they were stored as they are.
//
// Each encrypted data source has a data key of its own, which stands in the catalog
// encrypted under a key of the host (layout.SourceKeys). A sealed value is
//
//	version   1 byte, 0x02
//	number    1 byte, of the data key
//	checksum  8 bytes, over keyspace, key, version, number and payload
//	payload   nonce (12 bytes), ciphertext and tag (16 bytes) of AES-256-GCM
//
// where the plain text is the whole value as it would be stored otherwise, and the
// keyspace, the number and the key are authenticated with it. A value says itself
// whether it is sealed, so a data source may hold both while it is being encrypted or
// decrypted. Keys of the storage are not encrypted: ids, and the order of entries. Of indexes
// they hold values, which a Hasher makes unreadable.
//
// Nonces are random, so no more than 2^32 values should be sealed with one data key.
package sealed
