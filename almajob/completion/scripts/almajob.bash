# Completion of almajob for bash 4 and later: source <(almajob completion bash)

_almajob() {
    local kind="" line
    COMPREPLY=()
    {
        IFS= read -r kind
        while IFS= read -r line; do
            COMPREPLY+=("$line")
        done
    } < <("${1/#\~/$HOME}" __complete bash "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null)
    if [[ $kind == files ]]; then
        compopt -o default
    fi
}
complete -o nosort -F _almajob almajob 2>/dev/null || complete -F _almajob almajob
