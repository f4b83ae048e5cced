/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VSTOR_BLOCK_REQUEST_LIST_H
#define VSTOR_BLOCK_REQUEST_LIST_H

#include <vstor/block.h>

static inline void request_list_append(struct vst_block_request_list *list,
                                       struct vst_block_request *request)
{
    request->priv.next = NULL;
    if (list->first == NULL)
        list->first = request;
    else
        list->last->priv.next = request;
    list->last = request;
}

/** Takes the first of a list that is not empty. */
static inline struct vst_block_request *request_list_take(struct vst_block_request_list *list)
{
    struct vst_block_request *request = list->first;

    list->first = request->priv.next;
    return request;
}

#endif
