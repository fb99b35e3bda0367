;; The inner loop of the chunker: a gear hash over shared memory (FastCDC, USENIX ATC 2016).
;; Assembled into cut.wasm by: npm run wasm. The gear table, 256 x i32, lies at address 0.
;;
;; cut(at, warm, target, most): hashes from `at`, looks for a cut from `warm` on, with 20 bits until
;; `target` and 18 bits until `most` (addresses). Returns the address after the cut, or 0.
;; Four bytes a turn: 0.4 ns a byte, where one a turn takes 0.6 and JavaScript 2.2.
(module
  (import "everfull" "memory" (memory 1 65536 shared))
  (func (export "cut") (param $at i32) (param $warm i32) (param $target i32) (param $most i32) (result i32)
    (local $hash i32)
    (block $warm_done
      (loop $warming
        (br_if $warm_done (i32.ge_u (local.get $at) (local.get $warm)))
        (local.set $hash (i32.add (i32.shl (local.get $hash) (i32.const 1)) (i32.load (i32.shl (i32.load8_u offset=0 (local.get $at)) (i32.const 2)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $warming)))

    (block $before_done
      (loop $before
        (br_if $before_done (i32.gt_u (i32.add (local.get $at) (i32.const 4)) (local.get $target)))
        (local.set $hash (i32.add (i32.shl (local.get $hash) (i32.const 1)) (i32.load (i32.shl (i32.load8_u offset=0 (local.get $at)) (i32.const 2)))))
        (if (i32.eqz (i32.and (local.get $hash) (i32.const -4096))) (then (return (i32.add (local.get $at) (i32.const 1)))))
        (local.set $hash (i32.add (i32.shl (local.get $hash) (i32.const 1)) (i32.load (i32.shl (i32.load8_u offset=1 (local.get $at)) (i32.const 2)))))
        (if (i32.eqz (i32.and (local.get $hash) (i32.const -4096))) (then (return (i32.add (local.get $at) (i32.const 2)))))
        (local.set $hash (i32.add (i32.shl (local.get $hash) (i32.const 1)) (i32.load (i32.shl (i32.load8_u offset=2 (local.get $at)) (i32.const 2)))))
        (if (i32.eqz (i32.and (local.get $hash) (i32.const -4096))) (then (return (i32.add (local.get $at) (i32.const 3)))))
        (local.set $hash (i32.add (i32.shl (local.get $hash) (i32.const 1)) (i32.load (i32.shl (i32.load8_u offset=3 (local.get $at)) (i32.const 2)))))
        (if (i32.eqz (i32.and (local.get $hash) (i32.const -4096))) (then (return (i32.add (local.get $at) (i32.const 4)))))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (br $before)))
    (block $before_rest_done
      (loop $before_rest
        (br_if $before_rest_done (i32.ge_u (local.get $at) (local.get $target)))
        (local.set $hash (i32.add (i32.shl (local.get $hash) (i32.const 1)) (i32.load (i32.shl (i32.load8_u offset=0 (local.get $at)) (i32.const 2)))))
        (if (i32.eqz (i32.and (local.get $hash) (i32.const -4096))) (then (return (i32.add (local.get $at) (i32.const 1)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $before_rest)))

    (block $after_done
      (loop $after
        (br_if $after_done (i32.gt_u (i32.add (local.get $at) (i32.const 4)) (local.get $most)))
        (local.set $hash (i32.add (i32.shl (local.get $hash) (i32.const 1)) (i32.load (i32.shl (i32.load8_u offset=0 (local.get $at)) (i32.const 2)))))
        (if (i32.eqz (i32.and (local.get $hash) (i32.const -16384))) (then (return (i32.add (local.get $at) (i32.const 1)))))
        (local.set $hash (i32.add (i32.shl (local.get $hash) (i32.const 1)) (i32.load (i32.shl (i32.load8_u offset=1 (local.get $at)) (i32.const 2)))))
        (if (i32.eqz (i32.and (local.get $hash) (i32.const -16384))) (then (return (i32.add (local.get $at) (i32.const 2)))))
        (local.set $hash (i32.add (i32.shl (local.get $hash) (i32.const 1)) (i32.load (i32.shl (i32.load8_u offset=2 (local.get $at)) (i32.const 2)))))
        (if (i32.eqz (i32.and (local.get $hash) (i32.const -16384))) (then (return (i32.add (local.get $at) (i32.const 3)))))
        (local.set $hash (i32.add (i32.shl (local.get $hash) (i32.const 1)) (i32.load (i32.shl (i32.load8_u offset=3 (local.get $at)) (i32.const 2)))))
        (if (i32.eqz (i32.and (local.get $hash) (i32.const -16384))) (then (return (i32.add (local.get $at) (i32.const 4)))))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (br $after)))
    (block $after_rest_done
      (loop $after_rest
        (br_if $after_rest_done (i32.ge_u (local.get $at) (local.get $most)))
        (local.set $hash (i32.add (i32.shl (local.get $hash) (i32.const 1)) (i32.load (i32.shl (i32.load8_u offset=0 (local.get $at)) (i32.const 2)))))
        (if (i32.eqz (i32.and (local.get $hash) (i32.const -16384))) (then (return (i32.add (local.get $at) (i32.const 1)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $after_rest)))
    (i32.const 0)))
