# bash completion of compress. Do not edit: `make completions` makes this
# file from what the program says of itself.

_compress_commands='inspect infer bench detect camera eval sensitivity run'

# The long options of a command.
_compress_options()
{
    case $1 in
    '')
        echo '--prune --recover --prune-method --sparsity --nm --channels
            --target-macs --target-ms --importance --cluster --prune-scope
            --skip --sparsity-of --prune-all --fp16 --fp16-io --fp16-all
            --int8 --calib --calib-images --target --ranges --keep
            --rounding --max-drop --ann --strict --board --output --force
            --json --quiet --verbose --threads --help --version' ;;
    inspect)
        echo '--json --quiet --help' ;;
    infer)
        echo '--input --output --engine --precision --threads --shape
            --passes --tune --ort-lib --force --json --quiet --operators
            --help' ;;
    bench)
        echo '--engine --precision --threads --frames --warmup --shape
            --passes --tune --ort-lib --profile --trace --times --force
            --json --quiet --help' ;;
    detect)
        echo '--output --txt --conf --multi-label --engine --precision
            --threads --decoder --pixels --size --names --anchors --rect
            --iou --max-det --agnostic --passes --tune --ort-lib --force
            --json --quiet --help' ;;
    camera)
        echo '--source --csi --capture --reconnect --timeout --frames
            --headless --save --csv --http --compare --force --json
            --quiet --help --conf --engine --precision --threads --decoder
            --pixels --size --names --anchors --rect --iou --max-det
            --agnostic --passes --tune --ort-lib' ;;
    eval)
        echo '--ann --images --dets --save-dets --limit --classes --strict
            --per-class --curves --confusion --resamples --seed --conf
            --engine --precision --threads --decoder --pixels --size
            --names --anchors --rect --iou --max-det --agnostic --passes
            --tune --ort-lib --force --json --quiet --help' ;;
    sensitivity)
        echo '--calib --calib-images --target --ranges --keep --prune --plot
            --force --json --quiet --threads --help' ;;
    run)
        echo '--check --dry-run --output --redo --json --quiet --help' ;;
    *) return 1 ;;
    esac
}

# What the option of a command takes: @file, @dir, words.
_compress_argument()
{
    case "$1:$2" in
    :--prune | :--channels | :--target-macs | :--target-ms | :--cluster | \
        :--skip | :--sparsity-of | :--calib-images | :--keep | :--max-drop | :-t \
        | :--threads | infer:-t | infer:--threads | infer:--shape | \
        infer:--passes | bench:-n | bench:--frames | bench:--warmup | \
        bench:--shape | bench:--passes | detect:--conf | detect:-t | \
        detect:--threads | detect:--size | detect:--anchors | detect:--iou | \
        detect:--max-det | detect:--passes | camera:-s | camera:--source | \
        camera:--csi | camera:--capture | camera:--reconnect | camera:--timeout \
        | camera:--frames | camera:--http | camera:--compare | camera:--conf | \
        camera:-t | camera:--threads | camera:--size | camera:--anchors | \
        camera:--iou | camera:--max-det | camera:--passes | eval:--limit | \
        eval:--classes | eval:--resamples | eval:--seed | eval:--conf | eval:-t \
        | eval:--threads | eval:--size | eval:--anchors | eval:--iou | \
        eval:--max-det | eval:--passes | sensitivity:--calib-images | \
        sensitivity:--keep | sensitivity:--prune | sensitivity:-t | \
        sensitivity:--threads)
        echo '' ;;
    :--recover)
        echo 'lsq' ;;
    :--prune-method)
        echo 'l1 l1-global obs' ;;
    :--sparsity)
        echo 'equal auto' ;;
    :--nm)
        echo '2:4' ;;
    :--importance)
        echo 'trial lsq energy l1' ;;
    :--prune-scope)
        echo 'layer global' ;;
    :--calib | :--ann | :-o | :--output | infer:-i | infer:--input | \
        infer:-o | infer:--output | infer:--ort-lib | bench:--ort-lib | \
        bench:--trace | detect:--names | detect:--ort-lib | camera:--save | \
        camera:--csv | camera:--names | camera:--ort-lib | eval:--ann | \
        eval:--dets | eval:--save-dets | eval:--names | eval:--ort-lib | \
        sensitivity:--calib)
        echo '@file' ;;
    :--target | sensitivity:--target)
        echo 'onnxruntime tensorrt' ;;
    :--ranges | sensitivity:--ranges)
        echo 'mse minmax average percentile entropy' ;;
    :--rounding)
        echo 'learned nearest' ;;
    :--board)
        echo 'nano tx2 xavier-nx agx-xavier orin-nano orin-nx agx-orin pi4
            pi5' ;;
    infer:--engine | detect:--engine | camera:--engine | eval:--engine)
        echo 'compress ort ort:cuda ort:tensorrt' ;;
    infer:--precision | detect:--precision | camera:--precision | \
        eval:--precision)
        echo 'float32 bf16 fp16 auto' ;;
    infer:--tune | bench:--tune | detect:--tune | camera:--tune | \
        eval:--tune)
        echo 'off cache' ;;
    bench:--engine)
        echo '@list compress ort ort:cuda ort:tensorrt' ;;
    bench:--precision)
        echo '@list float32 bf16 fp16 auto' ;;
    bench:-t | bench:--threads)
        echo '@list' ;;
    detect:-o | detect:--output | detect:--txt | eval:--images | run:-o | \
        run:--output)
        echo '@dir' ;;
    detect:--decoder | camera:--decoder | eval:--decoder)
        echo 'auto v8 v5 yolox end2end v5-maps v8-maps yolox-maps' ;;
    detect:--pixels | camera:--pixels | eval:--pixels)
        echo 'auto rgb/255 rgb bgr/255 bgr' ;;
    sensitivity:--plot)
        echo '@file:svg' ;;
    *) return 1 ;;
    esac
}

# The endings of the files of a command.
_compress_endings()
{
    case $1 in
    '' | inspect | infer | bench | camera | eval | sensitivity)
        echo '.onnx' ;;
    detect)
        echo '' ;;
    run)
        echo '.yaml' ;;
    *) return 1 ;;
    esac
}

# Files with one of the endings, and folders; of no ending: all.
_compress_files()
{
    local word=$1 ending
    shift
    compgen -d -S / -- "$word"
    (($#)) || compgen -f -- "$word"
    for ending in "$@"; do
        compgen -f -X "!*$ending" -- "$word"
    done
}

# The words that may stand for `$2`, after the option `$3`, of command `$1`.
_compress_candidates()
{
    local command=$1 word=$2 option=$3 kind before=
    kind=$(_compress_argument "$command" "$option")
    case $kind in
    @file:*) _compress_files "$word" ".${kind#*:}" && return ;;
    @file) _compress_files "$word" && return ;;
    @dir) compgen -d -S / -- "$word" && return ;;
    @list*)
        [[ $word == *,* ]] && before=${word%,*},
        compgen -P "$before" -W "${kind#@list }" -- "${word##*,}"
        return ;;
    ?*) compgen -W "$kind" -- "$word" && return ;;
    esac
}

_compress()
{
    local line=${COMP_LINE:0:COMP_POINT} words word broken before i
    local command= option=
    COMPREPLY=()
    # The words by blanks alone: bash also breaks them at '=' and ':'.
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    word=${words[-1]}
    ((${#words[@]} > 2)) && [[ " $_compress_commands " == *" ${words[1]} "* ]] &&
        command=${words[1]}
    # Bash replaces only what it takes for the word, which is the end of ours.
    broken=${COMP_WORDS[COMP_CWORD]}
    case $broken in
    = | :) before=$word ;;
    *) before=${word%"$broken"} ;;
    esac
    if [[ $word == --*=* ]]; then
        option=${word%%=*}
        mapfile -t COMPREPLY < <(
            _compress_candidates "$command" "${word#*=}" "$option")
        COMPREPLY=("${COMPREPLY[@]/#/$option=}")
    elif option=${words[-2]} &&
        _compress_argument "$command" "$option" >/dev/null; then
        mapfile -t COMPREPLY < <(
            _compress_candidates "$command" "$word" "$option")
    elif [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(
            compgen -W "$(_compress_options "$command")" -- "$word")
    else
        ((${#words[@]} == 2)) && mapfile -t COMPREPLY < <(
            compgen -W "$_compress_commands" -- "$word")
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(
            _compress_files "$word" $(_compress_endings "$command"))
    fi
    for i in "${!COMPREPLY[@]}"; do
        COMPREPLY[i]=${COMPREPLY[i]#"$before"}
    done
    # No blank behind a folder.
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == */ ]] &&
        compopt -o nospace 2>/dev/null
    return 0
}

complete -F _compress compress compress-yolo
