#compdef jobdeck
# Completion of jobdeck in zsh, which quotes what jobdeck offers.
_jobdeck() {
    local -a answer expl
    local program=${(Q)words[1]} current=$QIPREFIX$IPREFIX$PREFIX
    answer=("${(@0)$(_JOBDECK_COMPLETE=zsh "${program/#\~\//$HOME/}" "${(@)words[1,CURRENT-1]}" "$current" </dev/null 2>/dev/null)}")
    [[ $QIPREFIX$IPREFIX$PREFIX == --*=* && $answer[1] != values ]] && compset -P '*='
    case $answer[1] in
        values)
            local -a texts shown open_texts open_shown
            local i
            for ((i = 2; i + 2 <= $#answer; i += 3)); do
                if [[ $answer[i] == open ]]; then
                    open_texts+=("$answer[i+1]") open_shown+=("$answer[i+2]")
                else
                    texts+=("$answer[i+1]") shown+=("$answer[i+2]")
                fi
            done
            local found=1
            (( $#texts )) && _wanted -V jobdeck expl value compadd -l -d shown -a texts && found=0
            (( $#open_texts )) && _wanted -V jobdeck-open expl value compadd -l -S '' -d open_shown -a open_texts && found=0
            return found
            ;;
        files) [[ $PREFIX == *=* ]] && compset -P '*='; _files ;;
        folders) _files -/ ;;
        programs) _command_names ;;
        command\ *)
            local first=${answer[1]#command }
            shift $first words
            ((CURRENT -= first))
            _normal
            ;;
        *) return 1 ;;
    esac
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _jobdeck "$@"
else
    compdef _jobdeck jobdeck
fi
