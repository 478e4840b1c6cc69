;; What `npm run kernels` puts into wasm-code.ts: the loops over bytes that JavaScript runs at half the speed, or less before V8 has compiled them.
;; Loads and stores reach up to 16 bytes past an end: who calls leaves that much room behind the input and the output.
(module
  (memory (export "memory") 1)
  ;; Snappy: the bytes in..inEnd, which stand behind their length, expanded to out..outEnd. 0 when they fill it exactly.
  (func (export "expandSnappy") (param $in i32) (param $inEnd i32) (param $out i32) (param $outEnd i32) (result i32)
    (local $start i32) (local $tag i32) (local $len i32) (local $off i32) (local $end i32) (local $from i32)
    (local.set $start (local.get $out))
    (block $bad
    (loop $next
      (if (i32.lt_u (local.get $in) (local.get $inEnd)) (then
        (local.set $tag (i32.load (local.get $in)))
        (if (i32.and (local.get $tag) (i32.const 3))
          (then
            (if (i32.eq (i32.and (local.get $tag) (i32.const 3)) (i32.const 2))
              (then
                (local.set $len (i32.add (i32.and (i32.shr_u (local.get $tag) (i32.const 2)) (i32.const 63)) (i32.const 1)))
                (local.set $off (i32.and (i32.shr_u (local.get $tag) (i32.const 8)) (i32.const 0xffff)))
                (local.set $in (i32.add (local.get $in) (i32.const 3))))
              (else
                (if (i32.eq (i32.and (local.get $tag) (i32.const 3)) (i32.const 1))
                  (then
                    (local.set $len (i32.add (i32.and (i32.shr_u (local.get $tag) (i32.const 2)) (i32.const 7)) (i32.const 4)))
                    (local.set $off (i32.or (i32.shl (i32.and (i32.shr_u (local.get $tag) (i32.const 5)) (i32.const 7)) (i32.const 8)) (i32.and (i32.shr_u (local.get $tag) (i32.const 8)) (i32.const 255))))
                    (local.set $in (i32.add (local.get $in) (i32.const 2))))
                  (else
                    (local.set $len (i32.add (i32.and (i32.shr_u (local.get $tag) (i32.const 2)) (i32.const 63)) (i32.const 1)))
                    (local.set $off (i32.load offset=1 (local.get $in)))
                    (local.set $in (i32.add (local.get $in) (i32.const 5)))))))
            (local.set $end (i32.add (local.get $out) (local.get $len)))
            ;; offset 0, or before the start, or past the end
            (br_if $bad (i32.ge_u (i32.sub (local.get $off) (i32.const 1)) (i32.sub (local.get $out) (local.get $start))))
            (br_if $bad (i32.gt_u (local.get $end) (local.get $outEnd)))
            (local.set $from (i32.sub (local.get $out) (local.get $off)))
            (if (i32.ge_u (local.get $off) (i32.const 16))
              (then
                (loop $wide
                  (v128.store align=1 (local.get $out) (v128.load align=1 (local.get $from)))
                  (local.set $out (i32.add (local.get $out) (i32.const 16)))
                  (local.set $from (i32.add (local.get $from) (i32.const 16)))
                  (br_if $wide (i32.lt_u (local.get $out) (local.get $end)))))
              (else
                (if (i32.ge_u (local.get $off) (i32.const 8))
                  (then
                    (loop $mid
                      (i64.store align=1 (local.get $out) (i64.load align=1 (local.get $from)))
                      (local.set $out (i32.add (local.get $out) (i32.const 8)))
                      (local.set $from (i32.add (local.get $from) (i32.const 8)))
                      (br_if $mid (i32.lt_u (local.get $out) (local.get $end)))))
                  (else
                    (loop $small
                      (i32.store8 (local.get $out) (i32.load8_u (local.get $from)))
                      (local.set $out (i32.add (local.get $out) (i32.const 1)))
                      (local.set $from (i32.add (local.get $from) (i32.const 1)))
                      (br_if $small (i32.lt_u (local.get $out) (local.get $end))))))))
            (local.set $out (local.get $end)))
          (else
            (local.set $len (i32.and (i32.shr_u (local.get $tag) (i32.const 2)) (i32.const 63)))
            (local.set $in (i32.add (local.get $in) (i32.const 1)))
            (if (i32.ge_u (local.get $len) (i32.const 60)) (then
              (local.set $from (i32.sub (local.get $len) (i32.const 59))) ;; bytes of the length
              (local.set $len (i32.load (local.get $in)))
              (if (i32.lt_u (local.get $from) (i32.const 4)) (then
                (local.set $len (i32.and (local.get $len) (i32.sub (i32.shl (i32.const 1) (i32.shl (local.get $from) (i32.const 3))) (i32.const 1))))))
              (local.set $in (i32.add (local.get $in) (local.get $from)))))
            (local.set $len (i32.add (local.get $len) (i32.const 1)))
            ;; len in 1..2^32: compare with what is left
            (br_if $bad (i32.gt_u (local.get $len) (i32.sub (local.get $outEnd) (local.get $out))))
            (br_if $bad (i32.gt_s (local.get $len) (i32.sub (local.get $inEnd) (local.get $in))))
            (local.set $end (i32.add (local.get $out) (local.get $len)))
            (local.set $from (local.get $in))
            (loop $lit
              (v128.store align=1 (local.get $out) (v128.load align=1 (local.get $from)))
              (local.set $out (i32.add (local.get $out) (i32.const 16)))
              (local.set $from (i32.add (local.get $from) (i32.const 16)))
              (br_if $lit (i32.lt_u (local.get $out) (local.get $end))))
            (local.set $in (i32.add (local.get $in) (local.get $len)))
            (local.set $out (local.get $end))))
        (br $next))))
    (return (i32.or (i32.ne (local.get $in) (local.get $inEnd)) (i32.ne (local.get $out) (local.get $outEnd)))))
    (i32.const 1))

  ;; DELTA_BINARY_PACKED behind its first value: blocks of 128 values in four miniblocks, from `at` to before `end` at most. `count` values after `value`
  ;; go to `out`, as doubles, or as i32 where `isInt`. Where the next byte stands; 0 when the bytes are no such blocks.
  (func (export "expandDelta") (param $at i32) (param $end i32) (param $count i32) (param $value f64) (param $out i32) (param $isInt i32) (result i32)
    (local $sum i64) (local $least i64) (local $widths i32) (local $block i32) (local $width i32) (local $mask i64) (local $bit i32) (local $next i32)
    (local $byte i32) (local $shift i64) (local $few i32)
    (local.set $sum (i64.trunc_sat_f64_s (local.get $value)))
    (block $bad
    (block $done
    (loop $blocks
      (br_if $done (i32.eqz (local.get $count)))
      ;; The least delta: a varint in zigzag.
      (local.set $least (i64.const 0))
      (local.set $shift (i64.const 0))
      (loop $varint
        (br_if $bad (i32.ge_u (local.get $at) (local.get $end)))
        (br_if $bad (i64.gt_u (local.get $shift) (i64.const 63)))
        (local.set $byte (i32.load8_u (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $least (i64.or (local.get $least) (i64.shl (i64.extend_i32_u (i32.and (local.get $byte) (i32.const 127))) (local.get $shift))))
        (local.set $shift (i64.add (local.get $shift) (i64.const 7)))
        (br_if $varint (i32.ge_u (local.get $byte) (i32.const 128))))
      (local.set $least (i64.xor (i64.shr_u (local.get $least) (i64.const 1)) (i64.sub (i64.const 0) (i64.and (local.get $least) (i64.const 1)))))
      (local.set $widths (local.get $at))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $bad (i32.gt_u (local.get $at) (local.get $end)))
      (local.set $block (i32.const 0))
      (loop $miniblocks
        (local.set $width (i32.load8_u (i32.add (local.get $widths) (local.get $block))))
        (br_if $bad (i32.gt_u (local.get $width) (i32.const 53)))
        (local.set $next (i32.add (local.get $at) (i32.shl (local.get $width) (i32.const 2))))
        (br_if $bad (i32.gt_u (local.get $next) (local.get $end)))
        (local.set $few (select (local.get $count) (i32.const 32) (i32.lt_u (local.get $count) (i32.const 32))))
        (local.set $count (i32.sub (local.get $count) (local.get $few)))
        (local.set $mask (i64.sub (i64.shl (i64.const 1) (i64.extend_i32_u (local.get $width))) (i64.const 1)))
        (local.set $bit (i32.const 0))
        (loop $values
          (local.set $sum (i64.add (i64.add (local.get $sum) (local.get $least)) (i64.and (local.get $mask)
            (i64.shr_u (i64.load align=1 (i32.add (local.get $at) (i32.shr_u (local.get $bit) (i32.const 3)))) (i64.extend_i32_u (i32.and (local.get $bit) (i32.const 7)))))))
          (local.set $bit (i32.add (local.get $bit) (local.get $width)))
          (if (local.get $isInt)
            (then
              (i32.store (local.get $out) (i32.wrap_i64 (local.get $sum)))
              (local.set $out (i32.add (local.get $out) (i32.const 4))))
            (else
              (f64.store (local.get $out) (f64.convert_i64_s (local.get $sum)))
              (local.set $out (i32.add (local.get $out) (i32.const 8)))))
          (br_if $values (local.tee $few (i32.sub (local.get $few) (i32.const 1)))))
        (local.set $at (local.get $next))
        (local.set $block (i32.add (local.get $block) (i32.const 1)))
        (br_if $miniblocks (i32.and (i32.lt_u (local.get $block) (i32.const 4)) (i32.ne (local.get $count) (i32.const 0)))))
      (br $blocks)))
    (return (local.get $at)))
    (i32.const 0))

  ;; RLE / bit-packing hybrid of `count` values of `width` bits, 16 at most, in at..end. They go to `out` as bytes, or as i16 where `isWide`.
  ;; 1 when all are there and none is over `greatest`; else 0.
  (func (export "expandHybrid") (param $at i32) (param $end i32) (param $count i32) (param $width i32) (param $greatest i32) (param $out i32) (param $isWide i32) (result i32)
    (local $header i32) (local $few i32) (local $mask i32) (local $bit i32) (local $value i32) (local $most i32) (local $byte i32) (local $shift i32)
    (local.set $mask (i32.sub (i32.shl (i32.const 1) (local.get $width)) (i32.const 1)))
    (block $bad
    (block $done
    (loop $runs
      (br_if $done (i32.eqz (local.get $count)))
      (local.set $header (i32.const 0))
      (local.set $shift (i32.const 0))
      (loop $varint
        (br_if $bad (i32.ge_u (local.get $at) (local.get $end)))
        ;; Three bytes tell of a million values: what has more is left to JavaScript.
        (br_if $bad (i32.gt_u (local.get $shift) (i32.const 14)))
        (local.set $byte (i32.load8_u (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $header (i32.or (local.get $header) (i32.shl (i32.and (local.get $byte) (i32.const 127)) (local.get $shift))))
        (local.set $shift (i32.add (local.get $shift) (i32.const 7)))
        (br_if $varint (i32.ge_u (local.get $byte) (i32.const 128))))
      (br_if $bad (i32.le_u (local.get $header) (i32.const 1)))
      (if (i32.and (local.get $header) (i32.const 1))
        (then
          (local.set $few (i32.shl (i32.shr_u (local.get $header) (i32.const 1)) (i32.const 3)))
          (local.set $few (select (local.get $count) (local.get $few) (i32.lt_u (local.get $count) (local.get $few))))
          (br_if $bad (i32.gt_u (i32.add (local.get $at) (i32.shr_u (i32.add (i32.mul (local.get $few) (local.get $width)) (i32.const 7)) (i32.const 3))) (local.get $end)))
          (local.set $count (i32.sub (local.get $count) (local.get $few)))
          (local.set $bit (i32.const 0))
          (loop $values
            (local.set $value (i32.and (local.get $mask) (i32.shr_u (i32.load align=1 (i32.add (local.get $at) (i32.shr_u (local.get $bit) (i32.const 3)))) (i32.and (local.get $bit) (i32.const 7)))))
            (local.set $bit (i32.add (local.get $bit) (local.get $width)))
            (local.set $most (select (local.get $value) (local.get $most) (i32.gt_u (local.get $value) (local.get $most))))
            (if (local.get $isWide) (then (i32.store16 (local.get $out) (local.get $value))) (else (i32.store8 (local.get $out) (local.get $value))))
            (local.set $out (i32.add (local.get $out) (i32.add (local.get $isWide) (i32.const 1))))
            (br_if $values (local.tee $few (i32.sub (local.get $few) (i32.const 1)))))
          (local.set $at (i32.add (local.get $at) (i32.mul (i32.shr_u (local.get $header) (i32.const 1)) (local.get $width)))))
        (else
          (local.set $few (i32.shr_u (local.get $header) (i32.const 1)))
          (local.set $few (select (local.get $count) (local.get $few) (i32.lt_u (local.get $count) (local.get $few))))
          (local.set $count (i32.sub (local.get $count) (local.get $few)))
          (local.set $byte (i32.shr_u (i32.add (local.get $width) (i32.const 7)) (i32.const 3)))
          (br_if $bad (i32.gt_u (i32.add (local.get $at) (local.get $byte)) (local.get $end)))
          (local.set $value (i32.and (i32.load align=1 (local.get $at)) (i32.sub (i32.shl (i32.const 1) (i32.shl (local.get $byte) (i32.const 3))) (i32.const 1))))
          (local.set $at (i32.add (local.get $at) (local.get $byte)))
          (local.set $most (select (local.get $value) (local.get $most) (i32.gt_u (local.get $value) (local.get $most))))
          (loop $run
            (if (local.get $isWide) (then (i32.store16 (local.get $out) (local.get $value))) (else (i32.store8 (local.get $out) (local.get $value))))
            (local.set $out (i32.add (local.get $out) (i32.add (local.get $isWide) (i32.const 1))))
            (br_if $run (local.tee $few (i32.sub (local.get $few) (i32.const 1)))))))
      (br $runs)))
    (return (i32.le_u (local.get $most) (local.get $greatest))))
    (i32.const 0))
)
