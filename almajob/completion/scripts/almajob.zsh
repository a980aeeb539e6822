#compdef almajob
# Completion of almajob for zsh: source <(almajob completion zsh), after compinit

_almajob() {
    local kind line
    local -a values shown
    {
        IFS= read -r kind
        while IFS= read -r line; do
            values+=("${line%%$'\t'*}")
            shown+=("${line/$'\t'/  -- }")
        done
    } < <("${(Q)words[1]/#\~/$HOME}" __complete zsh "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)
    if [[ $kind == files ]]; then
        [[ $PREFIX == -*=* ]] && compset -P 1 '*='
        _files
    else
        compadd -l -V almajob -d shown -a values
    fi
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _almajob "$@"
else
    compdef _almajob almajob
fi
