# Completion of almajob for fish: almajob completion fish | source

function __almajob_complete
    set -l typed (commandline -ct)
    # Without its quotes, of which one may still be open.
    set -l current (string unescape -- "$typed"; or echo -- "$typed")
    set -l found (almajob __complete fish (commandline -cpo) "$current" 2>/dev/null)
    if test "$found[1]" = files
        # As behind a command that fish knows nothing of.
        complete -C "'' $typed"
    else
        string join \n -- $found[2..-1]
    end
end
complete -c almajob -f -a '(__almajob_complete)'
