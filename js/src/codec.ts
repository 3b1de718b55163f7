// Reads the blocks that curvwidget/widgets/packing.py writes: a description and arrays, all in one.

export type Numbers = Float32Array | Float64Array | Uint8Array | Uint16Array | Uint32Array;

export interface Block {
  meta: Record<string, unknown>;
  arrays: Record<string, Numbers>;
}

interface Field {
  kind: string;
  shape: number[];
  offset: number;
}

const KINDS: Record<string, new (buffer: ArrayBuffer, offset: number, length: number) => Numbers> = {
  f4: Float32Array,
  f8: Float64Array,
  u1: Uint8Array,
  u2: Uint16Array,
  u4: Uint32Array,
};

/** Take a block apart. It may be a view that starts anywhere in a larger buffer: Jupyter hands over such views. */
export function unpack(block: ArrayBuffer | ArrayBufferView): Block {
  const view = ArrayBuffer.isView(block)
    ? new Uint8Array(block.buffer, block.byteOffset, block.byteLength)
    : new Uint8Array(block);
  // A copy starts at 0 of its own buffer, so arrays aligned in the block are aligned in memory.
  const bytes = new Uint8Array(view);
  const magic = String.fromCharCode(...bytes.subarray(0, 4));
  if (magic !== "CVW1") throw new Error(`block must start with CVW1, got ${JSON.stringify(magic)}`);
  const length = new DataView(bytes.buffer).getUint32(4, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) as {
    meta: Record<string, unknown>;
    fields: Record<string, Field>;
  };
  const arrays: Record<string, Numbers> = {};
  for (const [name, field] of Object.entries(header.fields)) {
    const kind = KINDS[field.kind];
    if (!kind) throw new Error(`array ${name} has an unknown kind ${field.kind}`);
    const count = field.shape.reduce((product, size) => product * size, 1);
    arrays[name] = new kind(bytes.buffer, 8 + length + field.offset, count);
  }
  return { meta: header.meta, arrays };
}
