package proxy

import "sync"

// blockSize is the size of the buffers in which heads are read and put together.
// Nearly every head fits; a larger one gets a buffer of its own.
const blockSize = 4 << 10

// copySize is the size of the buffers in which bodies are moved.
const copySize = 64 << 10

// batchSize is the size of the buffers in which a copyBlock's content is encrypted:
// 54 bytes a record are more than any has (RFC 5246 section 6.2.3: head, nonce, a
// hash, padding), and the first 128 KB of a connection may be records of 1 KB.
const batchSize = copySize + 54*(copySize>>10) + blockSize

// block is a buffer that a connection or a request has while it needs one. An
// idle connection has none.
type block [blockSize]byte

// copyBlock is a buffer for moving bodies.
type copyBlock [copySize]byte

// batchBlock is a buffer for records that go to a client together.
type batchBlock [batchSize]byte

var (
	blocks      = sync.Pool{New: func() any { return new(block) }}
	copyBlocks  = sync.Pool{New: func() any { return new(copyBlock) }}
	batchBlocks = sync.Pool{New: func() any { return new(batchBlock) }}
)

func newBlock() *block           { return blocks.Get().(*block) }
func (b *block) free()           { blocks.Put(b) }
func newCopyBlock() *copyBlock   { return copyBlocks.Get().(*copyBlock) }
func (b *copyBlock) free()       { copyBlocks.Put(b) }
func newBatchBlock() *batchBlock { return batchBlocks.Get().(*batchBlock) }
func (b *batchBlock) free()      { batchBlocks.Put(b) }
