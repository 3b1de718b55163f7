import { describe, expect, it } from "vitest";
import { unpack } from "../src/codec";
import { Mark, readPacket } from "../src/packet";
import { fromBase64, packBlock } from "./cases";
import fixture from "./fixtures/packet.txt?raw";

const floats = {
  name: "values",
  kind: "f4",
  shape: [2, 2],
  bytes: new Uint8Array(new Float32Array([1.5, Number.NaN, -Infinity, 4]).buffer),
};
const bytes = { name: "marks", kind: "u1", shape: [3], bytes: Uint8Array.of(1, 2, 3) };
const doubles = { name: "x", kind: "f8", shape: [2], bytes: new Uint8Array(new Float64Array([0.1, 0.2]).buffer) };

describe("a block", () => {
  it("gives back its description and arrays, NaN and infinities included", () => {
    const { meta, arrays } = unpack(packBlock({ title: "θ" }, [bytes, floats, doubles]));
    expect(meta).toEqual({ title: "θ" });
    expect(Array.from(arrays.values ?? [])).toEqual([1.5, Number.NaN, -Infinity, 4]);
    expect(Array.from(arrays.marks ?? [])).toEqual([1, 2, 3]);
    expect(Array.from(arrays.x ?? [])).toEqual([0.1, 0.2]);
  });

  it.each([1, 3, 4, 8])("may start %i bytes into a larger buffer", (offset) => {
    const block = packBlock({}, [floats, doubles]);
    const larger = new Uint8Array(block.length + offset + 5);
    larger.set(block, offset);
    const { arrays } = unpack(new DataView(larger.buffer, offset, block.length));
    expect(Array.from(arrays.x ?? [])).toEqual([0.1, 0.2]);
    expect(arrays.values?.[3]).toBe(4);
  });

  it("is refused where it does not start as one", () => {
    expect(() => unpack(new Uint8Array(16))).toThrow("block must start with CVW1");
  });

  it("is refused where it holds an unknown kind of number", () => {
    expect(() => unpack(packBlock({}, [{ ...bytes, kind: "i8" }]))).toThrow("array marks has an unknown kind i8");
  });
});

describe("a packet made in Python", () => {
  // tests/widgets/test_loss_map.py checks that Python still makes this packet: a² − b² on 5 × 3 points, NaN at (1, 1).
  const packet = readPacket(fromBase64(fixture));

  it("holds the grid, the centre and the labels", () => {
    expect(packet?.labels).toEqual(["λ = 2", "λ = −2"]);
    expect(Array.from(packet?.x ?? [])).toEqual([-1, -0.5, 0, 0.5, 1]);
    expect(Array.from(packet?.y ?? [])).toEqual([-1, 0, 1]);
    expect(packet?.center).toBe(0.25);
    expect(packet?.range).toEqual([-1, 1]);
    expect(packet?.limits).toEqual([-1, 1]);
    expect(packet?.scale).toBe("difference");
    expect(packet?.values[0 * 3 + 1]).toBe(1); // (−1, 0)
    expect(packet?.values[2 * 3 + 0]).toBe(-1); // (0, −1)
  });

  it("marks what is not a number", () => {
    expect(packet?.marks[4 * 3 + 2]).toBe(Mark.Nan);
    expect(Array.from(packet?.marks ?? []).filter(Boolean)).toHaveLength(1);
  });

  it("has contours of the slice and of its model, each with its level", () => {
    expect(packet?.hasModel).toBe(true);
    const levels = Array.from(packet?.levels ?? []);
    expect(levels).toEqual([-0.5, 0, 0.5]);
    for (const lines of [packet?.contours, packet?.model]) {
      expect(new Set(lines?.levelIndex)).toEqual(new Set([0, 1, 2]));
      expect(lines?.starts[lines.starts.length - 1]).toBe((lines?.points.length ?? 0) / 2);
    }
  });

  it("is empty where there is no slice", () => {
    expect(readPacket(new DataView(new ArrayBuffer(0)))).toBeNull();
    expect(readPacket(null)).toBeNull();
  });

  it("is refused where it is of another version", () => {
    expect(() => readPacket(packBlock({ version: 2 }, []))).toThrow("packet must have version 1, got 2");
  });
});
