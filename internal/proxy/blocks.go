package proxy

import "sync"

// blockSize is the size of the buffers in which heads are read and put together.
// Nearly every head fits; a larger one gets a buffer of its own.
const blockSize = 4 << 10

// copySize is the size of the buffers in which bodies are moved.
const copySize = 64 << 10

// block is a buffer that a connection or a request has while it needs one. An
// idle connection has none.
type block [blockSize]byte

// copyBlock is a buffer for moving bodies.
type copyBlock [copySize]byte

var (
	blocks     = sync.Pool{New: func() any { return new(block) }}
	copyBlocks = sync.Pool{New: func() any { return new(copyBlock) }}
)

func newBlock() *block         { return blocks.Get().(*block) }
func (b *block) free()         { blocks.Put(b) }
func newCopyBlock() *copyBlock { return copyBlocks.Get().(*copyBlock) }
func (b *copyBlock) free()     { copyBlocks.Put(b) }
